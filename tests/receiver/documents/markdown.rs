//! A parser for the part of Markdown that the documents use.

use std::{collections::BTreeSet, fs};

use super::{folder, read};

/// A document's prose and its fenced blocks.
pub struct Document {
    /// From the root of the repository.
    pub path: String,
    /// Each line of prose with its number, tables and headings included.
    pub prose: Vec<(usize, String)>,
    pub blocks: Vec<Block>,
}

/// A fenced block.
#[derive(Default)]
pub struct Block {
    pub language: String,
    pub lines: Vec<String>,
}

/// Every document of the repository.
pub fn documents() -> Vec<Document> {
    let in_folder = |folder_path: &str| {
        let entries = fs::read_dir(folder().join(folder_path)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".md")).map(|name| format!("{folder_path}{name}")).collect::<Vec<_>>()
    };
    let paths = ["", "docs/", "benches/", "consumers/", "fuzz/"].into_iter().flat_map(in_folder);
    paths.map(|path| parse(path.clone(), &read(&path))).collect()
}

fn parse(path: String, text: &str) -> Document {
    let (mut prose, mut blocks, mut open) = (Vec::new(), Vec::new(), None::<Block>);
    for (line, number) in text.lines().zip(1..) {
        let fence = line.trim_start().strip_prefix("```");
        match (fence, open.take()) {
            (Some(language), None) => open = Some(Block { language: language.to_owned(), ..Block::default() }),
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.lines.push(line.to_owned());
                open = Some(block);
            }
            (None, None) => prose.push((number, line.to_owned())),
        }
    }
    assert!(open.is_none(), "{path}: a fenced block has no end");
    Document { path, prose, blocks }
}

impl Document {
    /// The targets of the links, as written. Text in a code span is no link.
    pub fn links(&self) -> Vec<String> {
        let prose: Vec<_> = self.prose.iter().map(|(_, line)| line.as_str()).collect();
        let prose = prose.join("\n");
        assert_eq!(prose.matches('`').count() % 2, 0, "{}: a code span has no end", self.path);
        let text: String = prose.split('`').step_by(2).collect();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        targets.map(|(target, _)| target.to_owned()).collect()
    }

    /// The anchors of the headings, as hosting sites derive them.
    pub fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose.iter().filter(|(_, line)| line.starts_with('#'));
        headings.map(|(_, line)| anchor(line.trim_start_matches('#').trim())).collect()
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The width of a line as a reader sees it, without the targets of links.
pub fn width(line: &str) -> usize {
    let (first, rest) = line.split_once("](").unwrap_or((line, ""));
    let after_target = rest.split_once(')').map_or("", |(_, after)| after);
    first.chars().count() + if after_target.is_empty() { 0 } else { width(after_target) }
}

impl Block {
    /// The commands, each on one line and without comments.
    pub fn commands(&self) -> Vec<String> {
        let text = self.lines.join("\n").replace("\\\n", " ");
        let commands = text.lines().map(|line| line.split(" #").next().unwrap().trim().to_owned());
        commands.filter(|command| !command.is_empty() && !command.starts_with('#')).collect()
    }
}
