//! Reads the LoginIds from the arguments and from files. Nothing is sent if one of them is wrong. No error quotes a line,
//! because it may have a tag.

use std::{
    collections::{HashMap, hash_map::Entry},
    io::Read,
    path::Path,
};

use serde::Deserialize;

use super::login;
use flinks_dev::failure::Failure;

/// The most bytes of a tag. A request must fit into a batch of SQS with nine others (1 MiB). Escapes can make a tag six
/// times as long.
const MAX_TAG_BYTES: usize = 4096;

/// A request for the data of one login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub login_id: String,
    pub tag: Option<String>,
}

/// All requests, each LoginId once.
#[derive(Debug, Default)]
pub struct Requests {
    pub list: Vec<Request>,
    /// How many further times a LoginId was there.
    pub duplicates: usize,
    /// The LoginIds that were there with different tags. The first tag counts.
    pub conflicts: Vec<String>,
}

/// Reads the arguments: files, `-` for standard input, or LoginIds.
///
/// # Errors
/// If a file cannot be read, or something in it is not a request.
pub fn read(arguments: &[String]) -> Result<Requests, Failure> {
    let mut all = Vec::new();
    for argument in arguments {
        if argument == "-" {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?;
            all.extend(from_file("standard input", &bytes)?);
        } else if Path::new(argument).exists() {
            let read = std::fs::read(argument);
            let bytes = read.map_err(|error| Failure::usage(format!("cannot read {argument}: {error}")))?;
            all.extend(from_file(argument, &bytes)?);
        } else if login::is_plain(argument) {
            all.push(Request { login_id: argument.clone(), tag: None });
        } else {
            return Err(Failure::usage(format!(
                "{argument}: there is no such file, and a LoginId has only letters, digits and -"
            )));
        }
    }
    Ok(without_duplicates(all))
}

fn from_file(name: &str, bytes: &[u8]) -> Result<Vec<Request>, Failure> {
    let text = str::from_utf8(bytes).map_err(|_| Failure::usage(format!("{name} is not UTF-8 text")))?;
    let (mut requests, mut is_first) = (Vec::new(), true);
    // Some editors and spreadsheets start a file with a byte-order mark.
    for (index, line) in text.trim_start_matches('\u{FEFF}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let is_header = std::mem::take(&mut is_first) && is_header(line);
        if !is_header {
            let number = index + 1;
            let request = from_line(line);
            requests.push(request.map_err(|why| Failure::usage(format!("{name}, line {number}: {why}")))?);
        }
    }
    // Most likely a query or an export went wrong.
    if requests.is_empty() {
        return Err(Failure::usage(format!("{name} has no LoginId: write one on each line")));
    }
    Ok(requests)
}

/// Whether it is the first line of a CSV file, with the names of the columns.
fn is_header(line: &str) -> bool {
    let name = line.split(',').next().unwrap_or_default().trim().trim_matches('"');
    let name: String = name.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).collect();
    name.eq_ignore_ascii_case("loginid")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    login_id: String,
    #[serde(default)]
    tag: Option<String>,
}

fn from_line(line: &str) -> Result<Request, &'static str> {
    let (login_id, tag) = if line.starts_with('{') {
        // A request of RecoveryQueue may have further members. They belong to one run of it, so they are not sent.
        let line: Line = serde_json::from_str(line)
            .map_err(|_| r#"this is not a request in JSON: write {"loginId": "…"} or {"loginId": "…", "tag": "…"}"#)?;
        (line.login_id, line.tag)
    } else {
        let mut fields = fields(line)?.into_iter();
        let (login_id, tag) = (fields.next().unwrap_or_default(), fields.next());
        if fields.next().is_some() {
            return Err("there are more than two fields: write LOGIN-ID,TAG, and put a tag with a comma in quotes");
        }
        (login_id, tag)
    };
    if !login::is_legal(&login_id) {
        return Err("the LoginId is empty, too long, or has white space");
    }
    let tag = tag.filter(|tag| !tag.is_empty());
    if tag.as_ref().is_some_and(|tag| tag.len() > MAX_TAG_BYTES) {
        return Err("the tag is too long");
    }
    // SQS accepts no message with these, and JSON does not escape them.
    if tag.as_ref().is_some_and(|tag| tag.contains(['\u{FFFE}', '\u{FFFF}'])) {
        return Err("the tag has a character that SQS does not accept");
    }
    Ok(Request { login_id, tag })
}

/// The fields of a line of CSV (RFC 4180). White space around a field without quotes is not part of it.
fn fields(line: &str) -> Result<Vec<String>, &'static str> {
    const BAD_QUOTES: &str = "the quotes are wrong: a quoted field ends on its line, and \"\" is a quote in it";
    let (mut fields, mut rest) = (Vec::new(), line);
    loop {
        rest = rest.trim_start();
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, more) = rest.split_once(',').map_or((rest, None), |(field, more)| (field, Some(more)));
            fields.push(field.trim_end().to_owned());
            match more {
                Some(more) => rest = more,
                None => return Ok(fields),
            }
            continue;
        };
        let (mut field, mut left) = (String::new(), quoted);
        loop {
            let (part, more) = left.split_once('"').ok_or(BAD_QUOTES)?;
            field.push_str(part);
            match more.strip_prefix('"') {
                Some(more) => {
                    field.push('"');
                    left = more;
                }
                None => {
                    left = more.trim_start();
                    break;
                }
            }
        }
        fields.push(field);
        match left.strip_prefix(',') {
            Some(more) => rest = more,
            None if left.is_empty() => return Ok(fields),
            None => return Err(BAD_QUOTES),
        }
    }
}

fn without_duplicates(all: Vec<Request>) -> Requests {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut requests = Requests::default();
    for request in all {
        match places.entry(request.login_id.clone()) {
            Entry::Vacant(place) => {
                place.insert(requests.list.len());
                requests.list.push(request);
            }
            Entry::Occupied(place) => {
                requests.duplicates += 1;
                let Some(first) = requests.list.get_mut(*place.get()) else { continue };
                match (&first.tag, request.tag) {
                    (None, tag) => first.tag = tag,
                    (Some(tag), Some(other)) if *tag != other && !requests.conflicts.contains(&first.login_id) => {
                        requests.conflicts.push(first.login_id.clone());
                    }
                    _ => {}
                }
            }
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(text: &str) -> Vec<(String, Option<String>)> {
        let requests = from_file("file", text.as_bytes()).unwrap();
        requests.into_iter().map(|request| (request.login_id, request.tag)).collect()
    }

    fn request(login_id: &str, tag: Option<&str>) -> (String, Option<String>) {
        (login_id.to_owned(), tag.map(str::to_owned))
    }

    #[test]
    fn a_file_has_login_ids_csv_or_json_lines() {
        assert_eq!(requests("a-1\r\n\r\n# a comment\n  b-2 \n"), [request("a-1", None), request("b-2", None)]);
        assert_eq!(
            requests("\u{FEFF}Login-Id,Tag\na-1, user 1 \nb-2,\n\"c-3\",\"x, \"\"y\"\"\"\nd-4"),
            [
                request("a-1", Some("user 1")),
                request("b-2", None),
                request("c-3", Some(r#"x, "y""#)),
                request("d-4", None)
            ]
        );
        assert_eq!(
            requests("{\"loginId\":\"a-1\"}\n{\"loginId\":\"b\\u002d2\",\"tag\":\"Zo\u{e9}\",\"requestId\":\"r\"}\n"),
            [request("a-1", None), request("b-2", Some("Zoé"))]
        );
        assert_eq!(requests("{\"loginId\":\"a\",\"tag\":null}"), [request("a", None)]);
    }

    #[test]
    fn a_wrong_line_is_named_and_not_quoted() {
        for wrong in [
            "a,secret,third",
            "two words",
            ",secret",
            "a,\"secret",
            "a,\"secret\"x",
            "{\"loginId\":1,\"tag\":\"secret\"}",
            "{\"tag\":\"secret\"}",
            "{\"loginId\":\"secret",
            "[\"secret\"]x y",
            "a,secret\u{FFFF}",
            &format!("a,secret{}", "x".repeat(5000)),
            &"secret".repeat(30),
        ] {
            let error = from_file("file", format!("good\n{wrong}\n").as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("file, line 2: ") && !error.contains("secret"), "{wrong}: {error}");
        }
        assert!(from_file("file", b"\xff").unwrap_err().to_string().contains("not UTF-8"));
    }

    #[test]
    fn each_login_id_is_there_once_with_its_first_tag() {
        let all = [("a", None), ("b", Some("1")), ("a", Some("2")), ("b", Some("3")), ("b", Some("4")), ("a", None)];
        let all = all.map(|(id, tag)| Request { login_id: id.to_owned(), tag: tag.map(str::to_owned) });
        let requests = without_duplicates(all.to_vec());
        let list: Vec<_> = requests.list.iter().map(|r| (r.login_id.as_str(), r.tag.as_deref())).collect();
        assert_eq!(list, [("a", Some("2")), ("b", Some("1"))]);
        assert_eq!((requests.duplicates, requests.conflicts), (4, vec!["b".to_owned()]));
    }
}
