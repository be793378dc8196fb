//! That no `sam` command of the documents puts a consumer where the receiver is.

use std::collections::BTreeMap;

use super::{documents, read};

const RECEIVER: &str = "template.yaml";
const CONSUMER: &str = "consumers/template.yaml";

/// The tables of `samconfig.toml`, by environment and command.
type Config = BTreeMap<(String, String), BTreeMap<String, String>>;

/// As much of TOML as the file uses.
fn config() -> Config {
    let mut config = Config::new();
    let mut table = None;
    for line in read("samconfig.toml").lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(".parameters]")) {
            let (environment, command) = name.split_once('.').unwrap();
            table = Some((environment.to_owned(), command.to_owned()));
        } else if let (Some(table), Some((name, value))) = (&table, line.split_once(" = ")) {
            let value = value.trim_matches(['"', '\'']).to_owned();
            config.entry(table.clone()).or_default().insert(name.to_owned(), value);
        }
    }
    config
}

/// Where a command reads and writes.
#[derive(Debug)]
struct Target {
    command: String,
    template: String,
    build_dir: String,
    stack_name: Option<String>,
    s3_prefix: Option<String>,
}

/// A `sam` command with its options, and with what the configuration gives it.
fn target(config: &Config, command: &str) -> Target {
    let mut words = command.split_whitespace().skip(1);
    let name = words.next().unwrap_or_default().to_owned();
    let options: Vec<_> = words.collect();
    let option = |names: &[&str]| {
        let at = |(at, word): (usize, &&str)| match word.split_once('=') {
            Some((name, value)) if names.contains(&name) => Some(value.to_owned()),
            _ => names.contains(word).then(|| options.get(at + 1).map_or(String::new(), |value| value.to_string())),
        };
        options.iter().enumerate().find_map(at)
    };
    let environment = option(&["--config-env"]).unwrap_or("default".to_owned());
    let configured = |key: &str| {
        let of = |command: &str| config.get(&(environment.clone(), command.to_owned()))?.get(key).cloned();
        of(&name).or_else(|| of("global"))
    };
    let build_dir = option(&["--build-dir", "-b"]).or(configured("build_dir"));
    let built = name == "deploy" || name == "package";
    let template = option(&["--template-file", "--template", "-t"]).or(configured("template_file"));
    Target {
        build_dir: build_dir.unwrap_or(".aws-sam/build".to_owned()),
        template: template.unwrap_or(if built { ".aws-sam/build/template.yaml" } else { RECEIVER }.to_owned()),
        stack_name: option(&["--stack-name"]).or(configured("stack_name")),
        s3_prefix: option(&["--s3-prefix"]).or(configured("s3_prefix")),
        command: name,
    }
}

/// Why a command could mix up the two, if it could.
fn fault(config: &Config, command: &str) -> Option<&'static str> {
    let (target, receiver) = (target(config, command), target(config, "sam deploy"));
    let consumer = target.template == CONSUMER || target.template.starts_with(".aws-sam/consumer/");
    match target.command.as_str() {
        "build" if consumer != target.build_dir.starts_with(".aws-sam/consumer") => Some("the build folder"),
        "deploy" | "package" | "sync" | "delete" if consumer != (target.stack_name != receiver.stack_name) => {
            Some("the stack's name")
        }
        "deploy" | "package" if consumer != (target.s3_prefix != receiver.s3_prefix) => Some("the S3 prefix"),
        _ => None,
    }
}

/// Every `sam` command of the documents, of the blocks and of the prose.
fn commands() -> Vec<String> {
    let mut texts: Vec<String> = read("justfile").lines().map(str::to_owned).collect();
    for document in documents() {
        texts.extend(document.blocks.iter().flat_map(|block| block.commands()));
        let prose: Vec<_> = document.prose.iter().map(|(_, line)| line.trim()).collect();
        texts.extend(prose.join(" ").split('`').skip(1).step_by(2).map(str::to_owned));
    }
    let parts = texts.iter().flat_map(|text| text.split("&&")).map(str::trim);
    parts.filter(|part| part.starts_with("sam ")).map(str::to_owned).collect()
}

#[test]
fn no_command_of_the_documents_can_deploy_a_consumer_over_the_receiver() {
    let (config, commands) = (config(), commands());
    for needed in ["sam deploy", "sam build --config-env consumer", "sam deploy --config-env consumer"] {
        assert!(commands.iter().any(|command| command == needed), "no document has {needed}");
    }
    for command in &commands {
        assert_eq!(fault(&config, command), None, "{command}");
        // Else an option that a template or a folder of another kind hides in would not be found.
        assert!(!command.contains("consumers/") && !command.contains(".aws-sam"), "{command}");
    }
    // No environment but these two: a third one would need a look here.
    let environments: std::collections::BTreeSet<_> =
        config.keys().map(|(environment, _)| environment.as_str()).collect();
    assert_eq!(environments.into_iter().collect::<Vec<_>>(), ["consumer", "default"]);
    assert_eq!(target(&config, "sam build --config-env consumer").template, CONSUMER);
    let built = target(&config, "sam build --config-env consumer").build_dir;
    assert_eq!(target(&config, "sam deploy --config-env consumer").template, format!("{built}/template.yaml"));
}

#[test]
fn a_command_that_could_is_found() {
    let config = config();
    for (command, expected) in [
        ("sam build -t consumers/template.yaml", "the build folder"),
        ("sam build --config-env consumer --build-dir=.aws-sam/build", "the build folder"),
        ("sam build --build-dir .aws-sam/consumer", "the build folder"),
        ("sam deploy --template-file .aws-sam/consumer/template.yaml", "the stack's name"),
        ("sam deploy --config-env consumer --stack-name flinks-webhooks", "the stack's name"),
        ("sam deploy --config-env consumer --template .aws-sam/build/template.yaml", "the stack's name"),
        ("sam deploy --config-env consumer --s3-prefix flinks-webhooks", "the S3 prefix"),
    ] {
        assert_eq!(fault(&config, command), Some(expected), "{command}");
    }
    for command in ["sam build", "sam deploy", "sam build --config-env consumer", "sam deploy --config-env consumer"] {
        assert_eq!(fault(&config, command), None, "{command}");
    }
}

#[test]
fn a_consumer_that_was_built_into_the_wrong_folder_lacks_a_parameter_there() {
    let parameters = |template: &str| -> Vec<String> {
        let text = read(template);
        let lines = text.lines().skip_while(|line| *line != "Parameters:").skip(1);
        let lines = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
        lines.filter(|line| line.starts_with("  ") && !line.starts_with("   ")).map(str::to_owned).collect()
    };
    let kind = |line: &String| line.starts_with("  Kind: ");
    let consumer: Vec<_> = parameters(CONSUMER).into_iter().filter(kind).collect();
    let [line] = &consumer[..] else { panic!("{consumer:?}") };
    // CloudFormation then asks for the value that it had, and the receiver's stack has none.
    assert!(!line.contains("Default"), "{line}");
    assert!(!parameters(RECEIVER).iter().any(kind));
}
