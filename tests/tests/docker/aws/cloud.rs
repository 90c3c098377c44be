//! AWS on this machine: `tests/docker/aws/lab` in namespaces of its own.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use chordial_tests::programs::{Output, Process};
use chordial_tests::{laboratory, sources};

/// The mock of AWS, hosts that play its machines, and the computer of a student who works with them.
#[derive(Debug)]
pub struct Cloud {
    // All processes in there end with it; it ends with its standard input.
    inside: Child,
    stdin: Option<ChildStdin>,
    init: String,
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Cloud {
    /// An account with nothing in it, and so many hosts.
    ///
    /// # Panics
    /// Where it cannot be made: not root, no laboratory, a tool that is missing.
    pub fn up(hosts: usize) -> Cloud {
        let program = laboratory("swarm-lab");
        // Where `.ci/aws-tools` leaves them.
        let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("aws");
        assert!(
            tools.join("bin/moto_server").exists(),
            "{} is missing: install it with .ci/aws-tools",
            tools.display()
        );
        let folder = tempfile::tempdir().expect("a folder for the laboratory");
        let log = folder.path().join("log");
        let mut inside = Command::new("unshare")
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .arg(sources().join("tests/docker/aws/lab"))
            .arg(program)
            .arg(folder.path())
            .arg(hosts.to_string())
            .env("AWS_TOOLS", tools)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a file for output"))
            .spawn()
            .expect("unshare of util-linux runs");
        let stdin = inside.stdin.take();
        let mut said = String::new();
        BufReader::new(inside.stdout.take().expect("its output")).read_line(&mut said).expect("what it says");
        let parent = inside.id();
        let children =
            std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        let mut cloud =
            Cloud { inside, stdin, init: children.trim().to_owned(), folder, environment: Vec::new() };
        let text = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(said.trim(), "ready", "the laboratory does not start: {}", text(&log));
        cloud.environment = text(&cloud.folder.path().join("env"))
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        // What every Learner Lab has.
        cloud.aws("iam create-instance-profile --instance-profile-name LabInstanceProfile");
        cloud.aws("ec2 create-key-pair --key-name vockey");
        cloud
    }

    /// A folder of the student.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a program of deploy/aws says, from the root of the sources.
    pub fn deploy(&self, line: &str) -> Output {
        self.deploy_with(line, &[])
    }

    /// As [`Cloud::deploy`], with these variables otherwise.
    pub fn deploy_with(&self, line: &str, environment: &[(&str, &str)]) -> Output {
        let mut words = line.split_whitespace();
        let program = format!("deploy/aws/{}", words.next().expect("a program"));
        self.run(&program, &words.collect::<Vec<_>>(), environment)
    }

    /// What the aws client says, as text.
    ///
    /// # Panics
    /// Where it fails.
    pub fn aws(&self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().chain(["--output", "text"]).collect();
        let output = self.run("aws", &words, &[]);
        assert_eq!(output.code, 0, "aws {line}: {}", output.err);
        output.out.trim().to_owned()
    }

    /// A command in a machine's shell, as the student has it.
    pub fn on(&self, address: &str, command: &str) -> String {
        let key = self.folder.path().join("home/.ssh/labsuser.pem");
        let output = self.run("ssh", &["-i", &key.display().to_string(), address, command], &[]);
        assert_eq!(output.code, 0, "{command} on {address}: {}", output.err);
        output.out.trim().to_owned()
    }

    /// Public addresses of the machines that have power, in their order.
    pub fn powered(&self) -> Vec<String> {
        let map = std::fs::read_to_string(self.folder.path().join("lab/map")).unwrap_or_default();
        map.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }

    fn run(&self, program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let outputs = tempfile::tempdir().expect("a folder");
        let (out, err) = (outputs.path().join("out"), outputs.path().join("err"));
        let create = |path: &Path| File::create(path).expect("a file for output");
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.init, "--mount", "--net", "--pid"])
            .arg(format!("--wd={}", sources().display()))
            .args(["--", "env"])
            .args(self.environment.iter().map(|(key, value)| format!("{key}={value}")))
            .args(environment.iter().map(|(key, value)| format!("{key}={value}")))
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(create(&out))
            .stderr(create(&err));
        let status = Process::spawn(command, program, err.clone()).wait(Duration::from_secs(400));
        let text = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).expect("output")).into_owned();
        Output { code: status.code().unwrap_or(-1), out: text(&out), err: text(&err) }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.inside.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        // What is still there ends with its namespaces.
        let _ = self.inside.kill();
        let _ = self.inside.wait();
    }
}
