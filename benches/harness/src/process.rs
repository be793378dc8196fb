//! A subject as a process, and the kernel's figures for it.

use std::{collections::BTreeMap, env, fs, path::PathBuf, process::Stdio, time::Duration};

use tokio::process::{Child, Command};

use crate::{Failure, subject::Subject};

/// A running subject. It ends when this is dropped.
pub struct Process {
    child: Child,
    folder: PathBuf,
}

impl Process {
    /// Starts a program with only these variables. Its log is discarded.
    ///
    /// # Errors If the program does not exist.
    pub fn start(
        subject: &Subject,
        tool: &[String],
        environment: &BTreeMap<&'static str, String>,
    ) -> Result<Self, Failure> {
        let mut words = tool.iter().map(Into::into).chain([subject.program.clone().into_os_string()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).args(&subject.arguments);
        command.env_clear().envs(environment).envs(subject.environment.clone());
        // Tools and interpreters need the PATH to find their own parts.
        command.envs(env::var_os("PATH").map(|path| ("PATH", path)));
        command.kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let child = command.spawn().map_err(|error| format!("{}: {error}", subject.program.display()))?;
        let id = child.id().ok_or("a process that has ended already")?;
        Ok(Self { child, folder: PathBuf::from(format!("/proc/{id}")) })
    }

    /// The processor time of all its threads so far, in milliseconds. The scheduler counts it in nanoseconds.
    ///
    /// # Errors If the process has ended.
    pub fn cpu_ms(&self) -> Result<f64, Failure> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(self.folder.join("task"))? {
            let account = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanoseconds += account.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds).as_secs_f64() * 1_000.0)
    }

    /// A field in the process's status, such as `VmHWM` (kB) or `Threads`.
    ///
    /// # Errors If the process has ended.
    pub fn status(&self, field: &str) -> Result<u64, Failure> {
        let status = fs::read_to_string(self.folder.join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next()).ok_or("no such field")?;
        Ok(number.parse()?)
    }

    /// Waits until the process ends.
    pub async fn ended(&mut self) -> Failure {
        match self.child.wait().await {
            Ok(status) => format!("it ended with {status}").into(),
            Err(error) => error.into(),
        }
    }

    /// Kills the process and waits until it is gone, so that it does not disturb the next measurement.
    ///
    /// # Errors If it cannot be killed.
    pub async fn kill(mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }

    /// Terminates the process and waits until it has ended. A tool around it then writes its counts.
    ///
    /// # Errors If the signal cannot be sent.
    pub async fn terminate(mut self) -> Result<(), Failure> {
        let id = self.child.id().ok_or("a process that has ended already")?;
        Command::new("kill").arg(id.to_string()).status().await?;
        self.child.wait().await?;
        Ok(())
    }
}
