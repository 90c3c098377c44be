//! A Chromium without a window, of its own, that reaches this machine's peers and nothing else.
//!
//! Everything here blocks, and panics with a reason where a test cannot go on.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chordial_tests::programs::{PATIENCE, Process, ensure, eventually, free_port};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use thirtyfour::LoggingPrefsLogLevel;
use thirtyfour::prelude::*;

/// A window of a computer, in CSS pixels.
pub const DESK: (u32, u32) = (1280, 900);
/// A telephone, upright.
pub const PHONE: (u32, u32) = (390, 844);

/// The longest that one command may take.
const COMMAND: Duration = Duration::from_secs(30);

/// What it is started with: no address but a peer's is ever resolved, no proxy asked, nothing kept or sent home.
const ARGUMENTS: [&str; 13] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--force-color-profile=srgb",
    "--lang=en",
];

/// A browser with one page. It ends with the value.
pub struct Browser {
    // A driver is ended while the runtime still runs.
    driver: Option<WebDriver>,
    runtime: tokio::runtime::Runtime,
    chromedriver: Process,
    /// The number of the browser's own process.
    chromium: Option<i32>,
    folder: tempfile::TempDir,
}

impl Browser {
    /// Starts a driver at a free port and a browser with a profile of its own, as large as [`DESK`], light.
    ///
    /// # Panics
    /// Where one of them is missing, or does not start.
    pub fn start() -> Browser {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let log = folder.path().join("chromedriver.log");
        let file = std::fs::File::create(&log).expect("a log file");
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).stdin(Stdio::null());
        command.stdout(file.try_clone().expect("a file")).stderr(file);
        let chromedriver = Process::spawn(command, "chromedriver (.ci/browser-tools installs it)", log);
        let base = format!("http://127.0.0.1:{port}");
        eventually(PATIENCE, "chromedriver listens", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map(drop).map_err(|error| error.to_string())
        });

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut wanted = DesiredCapabilities::chromium();
        let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
        for argument in ARGUMENTS.into_iter().chain([&*profile]) {
            wanted.add_arg(argument).expect("an argument");
        }
        // The driver starts Debian's `chromium` for this name, too.
        wanted.set("browserName", "chrome").expect("a name");
        wanted.set_browser_log_level(LoggingPrefsLogLevel::All).expect("a level");
        let driver = runtime.block_on(WebDriver::builder(base, wanted).request_timeout(COMMAND).connect());
        let driver = driver.unwrap_or_else(|error| panic!("Chromium does not start: {error}"));
        let process = driver.capabilities().get("goog:processID").and_then(Value::as_i64);
        let chromium = process.and_then(|process| i32::try_from(process).ok());
        let browser = Browser { driver: Some(driver), runtime, chromedriver, chromium, folder };
        std::fs::create_dir_all(browser.downloads()).expect("a folder");
        let saved = json!({ "behavior": "allow", "downloadPath": browser.downloads() });
        browser.cdp("Browser.setDownloadBehavior", saved);
        browser.resize(DESK);
        browser
    }

    /// Where it saves what is downloaded.
    pub fn downloads(&self) -> PathBuf {
        self.folder.path().join("downloads")
    }

    /// Goes to an address, and waits until it has loaded.
    pub fn open(&self, url: &str) {
        self.run(&format!("open {url}"), self.driver().goto(url));
    }

    /// The address of what it shows.
    pub fn address(&self) -> String {
        self.run("its address", self.driver().current_url()).to_string()
    }

    /// Runs the body of a function in the page; returns what it returns.
    pub fn js(&self, script: &str) -> Value {
        self.js_with(script, &[])
    }

    /// [`Browser::js`] with `arguments`.
    pub fn js_with(&self, script: &str, arguments: &[Value]) -> Value {
        self.run(script, self.driver().execute(script, arguments)).json().clone()
    }

    /// Runs the body of a function whose last argument is to be called with what it returns.
    pub fn js_later(&self, script: &str, arguments: &[Value]) -> Value {
        self.run(script, self.driver().execute_async(script, arguments)).json().clone()
    }

    /// Waits until the body of a function returns something true (neither false, null nor an empty string); returns it.
    #[track_caller]
    pub fn wait(&self, what: &str, script: &str) -> Value {
        eventually(PATIENCE, what, || {
            let value = self.js(script);
            let holds = !matches!(&value, Value::Null | Value::Bool(false)) && value != "";
            ensure(holds, || format!("{value} from {script}\n{}", self.text("body")))?;
            Ok(value)
        })
    }

    /// The text that a person sees of the first element that a selector of CSS matches; "" where there is none.
    pub fn text(&self, css: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        self.js_with(script, &[css.into()]).as_str().unwrap_or_default().to_owned()
    }

    /// Clicks what a selector matches, once it is there and nothing covers it.
    #[track_caller]
    pub fn click(&self, css: &str) {
        self.retried(&format!("click {css}"), async || self.driver().find(By::Css(css)).await?.click().await);
    }

    /// Types into what a selector matches, in place of what stands there.
    #[track_caller]
    pub fn fill(&self, css: &str, text: &str) {
        self.retried(&format!("type {text:?} into {css}"), async || {
            let field = self.driver().find(By::Css(css)).await?;
            // As people do: WebDriver's own way of clearing tells the page nothing.
            field.send_keys(Key::Control + "a").await?;
            field.send_keys(text).await
        });
    }

    /// Chooses a file of this machine in the field that a selector matches.
    #[track_caller]
    pub fn choose(&self, css: &str, file: &Path) {
        let file = file.display().to_string();
        self.retried(&format!("choose {file} in {css}"), async || {
            self.driver().find(By::Css(css)).await?.send_keys(file.as_str()).await
        });
    }

    /// Presses keys, wherever the focus is.
    pub fn press(&self, keys: impl Into<TypingData>) {
        self.run("press keys", self.driver().action_chain().send_keys(keys).perform());
    }

    /// A command of the Chrome DevTools Protocol.
    pub fn cdp(&self, method: &str, parameters: Value) -> Value {
        self.run(method, self.driver().cdp().send_raw(method, parameters))
    }

    /// Makes the page as wide and high as this; [`PHONE`] is a telephone.
    pub fn resize(&self, (width, height): (u32, u32)) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": (width, height) == PHONE });
        self.cdp("Emulation.setDeviceMetricsOverride", size);
    }

    /// What a person has chosen in their system: `light` or `dark`, and no motion where `still`.
    pub fn prefer(&self, scheme: &str, still: bool) {
        let motion = if still { "reduce" } else { "no-preference" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": motion },
        ]);
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// What is to be seen now, as PNG.
    pub fn picture(&self) -> Vec<u8> {
        self.run("a picture", self.driver().screenshot_as_png())
    }

    /// The errors that its console has told since the last call.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.run("its console", self.driver().browser_log());
        entries.into_iter().filter(|entry| entry.level == "SEVERE").map(|entry| entry.message).collect()
    }

    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().expect("it is there until it is dropped")
    }

    #[track_caller]
    fn run<T>(&self, what: &str, command: impl Future<Output = WebDriverResult<T>>) -> T {
        self.runtime.block_on(command).unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// A page that redraws itself takes elements away under one's hands: tries again until it succeeds.
    #[track_caller]
    fn retried(&self, what: &str, action: impl AsyncFn() -> WebDriverResult<()>) {
        eventually(PATIENCE, what, || self.runtime.block_on(action()).map_err(|error| error.to_string()));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let Some(driver) = self.driver.take() else { return };
        let ended = self.runtime.block_on(async { tokio::time::timeout(COMMAND, driver.quit()).await });
        self.chromedriver.kill();
        // One that the driver could not end goes nevertheless.
        if let (Err(_) | Ok(Err(_)), Some(process)) = (ended, self.chromium) {
            let process = rustix::process::Pid::from_raw(process);
            let _ = process.map(|process| kill_process(process, Signal::KILL));
        }
    }
}
