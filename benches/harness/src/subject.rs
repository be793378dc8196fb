//! What is measured: the function, the floor and the peers, each a program that Lambda could start.

use std::{
    fs, io,
    io::{Cursor, Write},
    path::{Path, PathBuf},
    process::Command,
};

use zip::{ZipWriter, write::SimpleFileOptions};

use crate::Failure;

/// The name of the function itself: every other subject is printed as a multiple of it.
pub const FUNCTION: &str = "function";
/// The name of the floor: the function is printed as a multiple of it.
pub const FLOOR: &str = "floor";

/// One program.
pub struct Subject {
    pub name: String,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(&'static str, String)>,
    /// The file or the folder that is zipped and given to Lambda.
    package: PathBuf,
    /// It is a program of this machine, without an interpreter: valgrind's counts say something about it.
    pub is_native: bool,
    /// It trusts the run's own certificate authority alone, instead of all that the system trusts and that one.
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

    /// Of the interpreter, in its own words.
    pub fn version(&self) -> Option<String> {
        let said = (!self.is_native).then(|| Command::new(&self.program).arg("--version").output())?.ok()?;
        Some(String::from_utf8(said.stdout).ok()?.trim().to_owned())
    }

    /// Bytes of the program, or of the package where an interpreter runs it.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn bytes(&self) -> Result<u64, Failure> {
        files(&self.package)?.iter().map(|file| Ok(fs::metadata(file)?.len())).sum()
    }

    /// Bytes of the zip that is given to Lambda.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn zip_bytes(&self) -> Result<u64, Failure> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for file in files(&self.package)? {
            zip.start_file(file.to_string_lossy(), SimpleFileOptions::default())?;
            zip.write_all(&fs::read(file)?)?;
        }
        Ok(zip.finish()?.into_inner().len() as u64)
    }
}

/// The files of a package, without what Python has compiled: that is not shipped.
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

/// A build of the function, with those variables of `template.yaml` that its allocator reads.
pub fn function(name: &str, program: impl Into<PathBuf>) -> Subject {
    let thresholds = [("MALLOC_MMAP_THRESHOLD_", "33554432"), ("MALLOC_TRIM_THRESHOLD_", "67108864")];
    let environment = thresholds.map(|(name, bytes)| (name, bytes.to_owned())).into();
    Subject { environment, ..Subject::native(name, program) }
}

/// All subjects that `benches/run` has built or installed, and why the others are not there.
pub fn all() -> (Vec<Subject>, Vec<(&'static str, &'static str)>) {
    let node = interpreter("node", ["-p", "process.execPath"]).map(|node| {
        let mut subject = Subject::interpreted("node", node, &["target/benches/node/index.mjs"], "target/benches/node");
        // Without it each start says which version of Node the SDK will want next year.
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
        // The runtime client is Lambda's and in no zip.
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
            None => skipped.push((name, "there is no interpreter on the PATH")),
            Some(subject) if !subject.package.exists() => {
                skipped.push((name, "not built or installed; see benches/run"))
            }
            Some(subject) => present.push(subject),
        }
    }
    (present, skipped)
}

/// An interpreter by its own word: what is on the PATH may be a script that starts it, and would be measured too.
fn interpreter(name: &str, where_is_it: [&str; 2]) -> Option<PathBuf> {
    let said = Command::new(name).args(where_is_it).output().ok().filter(|output| output.status.success())?;
    Some(PathBuf::from(String::from_utf8(said.stdout).ok()?.trim()))
}
