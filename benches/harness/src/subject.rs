//! The measured programs: the function, the floor and the peers. Lambda could start each of them.

use std::{
    fs, io,
    io::{Cursor, Write},
    path::{Path, PathBuf},
    process::Command,
};

use zip::{ZipWriter, write::SimpleFileOptions};

use crate::Failure;

/// The name of the function. Every other subject is printed as a multiple of it.
pub const FUNCTION: &str = "function";
/// The name of the floor. The function is printed as a multiple of it.
pub const FLOOR: &str = "floor";

/// One program.
pub struct Subject {
    pub name: String,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(&'static str, String)>,
    /// The file or folder that is zipped for Lambda.
    package: PathBuf,
    /// A native program without an interpreter, for which valgrind's counts are meaningful.
    pub is_native: bool,
    /// It trusts only the run's own certificate authority, and not the system's too.
    pub has_one_root: bool,
}

impl Subject {
    pub fn native(name: &str, program: impl Into<PathBuf>) -> Self {
        let program = program.into();
        Self {
            name: name.to_owned(),
            package: program.clone(),
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
            is_native: true,
            has_one_root: name == FLOOR,
        }
    }

    fn interpreted(name: &str, program: PathBuf, arguments: &[&str], package: &str) -> Self {
        Self {
            name: name.to_owned(),
            program,
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: Vec::new(),
            package: package.into(),
            is_native: false,
            has_one_root: false,
        }
    }

    /// The interpreter's version, as it prints it.
    pub fn version(&self) -> Option<String> {
        let said = (!self.is_native).then(|| Command::new(&self.program).arg("--version").output())?.ok()?;
        Some(String::from_utf8(said.stdout).ok()?.trim().to_owned())
    }

    /// The bytes of the program, or of the package that an interpreter runs.
    ///
    /// # Errors If they cannot be read.
    pub fn bytes(&self) -> Result<u64, Failure> {
        files(&self.package)?.iter().map(|file| Ok(fs::metadata(file)?.len())).sum()
    }

    /// The bytes of the zip for Lambda.
    ///
    /// # Errors If the files cannot be read.
    pub fn zip_bytes(&self) -> Result<u64, Failure> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for file in files(&self.package)? {
            zip.start_file(file.to_string_lossy(), SimpleFileOptions::default())?;
            zip.write_all(&fs::read(file)?)?;
        }
        Ok(zip.finish()?.into_inner().len() as u64)
    }
}

/// The files of a package, without Python's compiled files, which are not shipped.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() != "__pycache__" {
            found.append(&mut files(&entry.path())?);
        }
    }
    Ok(found)
}

/// A build of the function, with the variables in `template.yaml` that its allocator reads.
pub fn function(name: &str, program: impl Into<PathBuf>) -> Subject {
    let thresholds = [("MALLOC_MMAP_THRESHOLD_", "33554432"), ("MALLOC_TRIM_THRESHOLD_", "67108864")];
    let environment = thresholds.map(|(name, bytes)| (name, bytes.to_owned())).into();
    Subject { environment, ..Subject::native(name, program) }
}

/// All subjects that `benches/run` has built or installed, and why the others are missing.
pub fn all() -> (Vec<Subject>, Vec<(&'static str, &'static str)>) {
    let node = interpreter("node", ["-p", "process.execPath"]).map(|node| {
        let mut subject = Subject::interpreted("node", node, &["target/benches/node/index.mjs"], "target/benches/node");
        // Without this the SDK prints a warning about future Node versions at each start.
        subject.environment = vec![("AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED", "true".into())];
        subject
    });
    let python = interpreter("python3", ["-c", "import sys; print(sys.executable)"]).map(|python| {
        let mut subject = Subject::interpreted(
            "python",
            python,
            &["-m", "awslambdaric", "handler.handler"],
            "target/benches/python/package",
        );
        // Lambda provides the runtime client, so it is not in the zip.
        subject.environment =
            vec![("PYTHONPATH", "target/benches/python/package:target/benches/python/runtime".into())];
        subject
    });
    let mut skipped = Vec::new();
    let mut present = Vec::new();
    for (name, subject) in [
        (FUNCTION, Some(function(FUNCTION, "target/release/flinks-webhooks"))),
        (FLOOR, Some(Subject::native(FLOOR, "target/release/flinks-floor"))),
        ("rust", Some(Subject::native("rust", "target/release/ordinary-receiver"))),
        ("node", node),
        ("python", python),
    ] {
        match subject {
            None => skipped.push((name, "the PATH has no interpreter")),
            Some(subject) if !subject.package.exists() => {
                skipped.push((name, "not built or installed; see benches/run"))
            }
            Some(subject) => present.push(subject),
        }
    }
    (present, skipped)
}

/// The path of an interpreter, as the interpreter reports it. The PATH may lead to a script that starts it, and the
/// script would be measured too.
fn interpreter(name: &str, where_is_it: [&str; 2]) -> Option<PathBuf> {
    let said = Command::new(name).args(where_is_it).output().ok().filter(|output| output.status.success())?;
    Some(PathBuf::from(String::from_utf8(said.stdout).ok()?.trim()))
}
