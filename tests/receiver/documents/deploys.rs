//! That no `sam` command of the documents puts another template where the receiver is.

use std::collections::{BTreeMap, BTreeSet};

use super::{documents, read};

const RECEIVER: &str = "template.yaml";

/// A further template, with an environment of its own in `samconfig.toml`.
struct Further {
    environment: &'static str,
    template: &'static str,
    build_dir: &'static str,
    /// A parameter without a default. CloudFormation then asks for the value that it had, and the receiver's stack has
    /// none.
    required: &'static str,
}

const FURTHER: [Further; 3] = [
    Further {
        environment: "consumer",
        template: "consumers/template.yaml",
        build_dir: ".aws-sam/consumer",
        required: "Kind",
    },
    Further { environment: "fan-out", template: "fan-out.yaml", build_dir: ".aws-sam/fan-out", required: "Kinds" },
    Further {
        environment: "recovery",
        template: "recovery.yaml",
        build_dir: ".aws-sam/recovery",
        required: "FlinksApiUrl",
    },
];

/// The tables of `samconfig.toml`, by environment and command.
type Config = BTreeMap<(String, String), BTreeMap<String, String>>;

/// Parses as much of TOML as the file uses.
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

/// What a `sam` command does, by its options and by the configuration.
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

/// The environment whose template a command uses. `None` for the receiver's.
fn template_of(target: &Target) -> Option<&'static Further> {
    FURTHER.iter().find(|further| {
        target.template == further.template || target.template == format!("{}/template.yaml", further.build_dir)
    })
}

/// Why a command could mix up two templates, if it could.
fn fault(config: &Config, command: &str) -> Option<&'static str> {
    let target = target(config, command);
    let further = template_of(&target);
    let environment = further.map_or("default", |further| further.environment);
    let own = self::target(config, &format!("sam {} --config-env {environment}", target.command));
    let deploy = self::target(config, &format!("sam deploy --config-env {environment}"));
    match target.command.as_str() {
        "build" if target.build_dir != own.build_dir => Some("the build folder"),
        "deploy" | "package" | "sync" | "delete" if target.stack_name != deploy.stack_name => Some("the stack's name"),
        "deploy" | "package" if target.s3_prefix != deploy.s3_prefix => Some("the S3 prefix"),
        _ => None,
    }
}

/// Every `sam` command of the documents, in blocks and in prose.
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
fn no_command_of_the_documents_can_deploy_another_template_over_the_receiver() {
    let (config, commands) = (config(), commands());
    assert!(commands.iter().any(|command| command == "sam deploy"));
    for command in &commands {
        assert_eq!(fault(&config, command), None, "{command}");
        // Otherwise a template or a folder in another option would not be found.
        assert!(!command.contains(".yaml") && !command.contains(".aws-sam"), "{command}");
    }
    for further in FURTHER {
        let environment = further.environment;
        let [build, deploy] = ["build", "deploy"].map(|name| format!("sam {name} --config-env {environment}"));
        assert!(commands.contains(&build) && commands.contains(&deploy), "no document has {build} and {deploy}");
        let (build, deploy) = (target(&config, &build), target(&config, &deploy));
        assert_eq!((build.template.as_str(), build.build_dir.as_str()), (further.template, further.build_dir));
        assert_eq!(deploy.template, format!("{}/template.yaml", further.build_dir));
    }
    // Each has a stack, a build folder and an S3 prefix of its own.
    let environments = FURTHER.map(|further| further.environment).into_iter().chain(["default"]);
    let environments: BTreeSet<_> = environments.collect();
    let known: BTreeSet<_> = config.keys().map(|(environment, _)| environment.as_str()).collect();
    assert_eq!(known, environments, "an environment that this test does not know");
    let distinct = |of: fn(Target) -> Option<String>, command: &str| {
        let targets = environments.iter().map(|name| target(&config, &format!("sam {command} --config-env {name}")));
        let values: BTreeSet<_> = targets.map(|target| of(target).unwrap()).collect();
        assert_eq!(values.len(), environments.len(), "{values:?}");
    };
    distinct(|target| target.stack_name, "deploy");
    distinct(|target| target.s3_prefix, "deploy");
    distinct(|target| Some(target.build_dir), "build");
}

#[test]
fn a_command_that_mixes_up_two_templates_is_found() {
    let config = config();
    let of_fan_out = |rest: &str| format!("sam deploy --config-env fan-out {rest}");
    for (command, expected) in [
        ("sam build -t fan-out.yaml".to_owned(), "the build folder"),
        ("sam build --config-env fan-out --build-dir=.aws-sam/build".to_owned(), "the build folder"),
        ("sam build --build-dir .aws-sam/fan-out".to_owned(), "the build folder"),
        ("sam deploy --template-file .aws-sam/fan-out/template.yaml".to_owned(), "the stack's name"),
        (of_fan_out("--stack-name flinks-webhooks"), "the stack's name"),
        (of_fan_out("--template .aws-sam/build/template.yaml"), "the stack's name"),
        (of_fan_out("--s3-prefix flinks-webhooks"), "the S3 prefix"),
    ] {
        assert_eq!(fault(&config, &command), Some(expected), "{command}");
    }
    for command in ["sam build", "sam deploy", "sam build --config-env fan-out", "sam deploy --config-env fan-out"] {
        assert_eq!(fault(&config, command), None, "{command}");
    }
}

#[test]
fn a_template_that_was_built_into_the_wrong_folder_lacks_a_parameter_there() {
    let parameters = |template: &str| -> Vec<String> {
        let text = read(template);
        let lines = text.lines().skip_while(|line| *line != "Parameters:").skip(1);
        let lines = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
        lines.filter(|line| line.starts_with("  ") && !line.starts_with("   ")).map(str::to_owned).collect()
    };
    for Further { template, required, .. } in FURTHER {
        let is_required = |line: &&String| line.starts_with(&format!("  {required}: "));
        let found: Vec<_> = parameters(template).into_iter().filter(|line| is_required(&line)).collect();
        let [line] = &found[..] else { panic!("{template}: {found:?}") };
        assert!(!line.contains("Default"), "{line}");
        assert!(!parameters(RECEIVER).iter().any(|line| is_required(&line)));
    }
}
