//! A real browser without a window, which opens a page from a file and says what it sees there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, fs};

use base64::prelude::{BASE64_STANDARD, Engine};
use headless_chrome::browser::tab::point::Point;
use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::protocol::cdp::{Emulation, Network, Page};
use headless_chrome::{Browser, LaunchOptions, Tab};
use serde_json::Value;

/// What is asked of a page, in its own words.
const QUESTIONS: &str = include_str!("browser.js");

/// How a page is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    pub width: u32,
    pub dark: bool,
}

/// A phone, a laptop and a desk, by day and by night.
pub fn looks() -> impl Iterator<Item = Look> {
    let widths = [360, 1024, 1920].into_iter();
    widths.flat_map(|width| [false, true].map(|dark| Look { width, dark }))
}

/// One page in a browser of its own, which ends with it.
pub struct Opened {
    _browser: Browser,
    tab: Arc<Tab>,
    url: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    complaints: Vec<String>,
    requests: Vec<String>,
}

impl Opened {
    /// Opens the file. Where there is no browser the test fails: what it holds has not been seen.
    pub fn new(file: &Path) -> Self {
        let options = LaunchOptions::default_builder()
            .path(Some(chromium()))
            // Containers run as root, for whom chromium has no sandbox.
            .sandbox(false)
            .idle_browser_timeout(Duration::from_secs(300))
            .args(vec![OsStr::new("--hide-scrollbars")])
            .build()
            .expect("options");
        let browser = Browser::new(options).expect("chromium starts");
        let tab = browser.new_tab().expect("a tab");
        tab.set_default_timeout(Duration::from_secs(60));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let listener = Arc::clone(&seen);
        tab.add_event_listener(Arc::new(move |event: &Event| see(&listener, event)))
            .expect("events");
        tab.enable_log().expect("the log");
        tab.enable_runtime().expect("exceptions");
        tab.call_method(Network::Enable {
            max_total_buffer_size: None,
            max_resource_buffer_size: None,
            max_post_data_size: None,
            report_direct_socket_traffic: None,
            enable_durable_messages: None,
        })
        .expect("requests");
        Opened {
            _browser: browser,
            tab,
            url: format!("file://{}", file.display()),
            seen,
        }
    }

    /// Loads the page anew for this look.
    pub fn look(&self, look: Look) {
        self.size(look.width);
        self.media("screen", look.dark);
        self.tab.navigate_to(&self.url).expect("a page");
        self.tab.wait_until_navigated().expect("the page is loaded");
        self.value(QUESTIONS);
    }

    fn size(&self, width: u32) {
        self.tab
            .call_method(Emulation::SetDeviceMetricsOverride {
                width,
                height: 900,
                device_scale_factor: 1.0,
                mobile: false,
                scale: None,
                screen_width: None,
                screen_height: None,
                position_x: None,
                position_y: None,
                dont_set_visible_size: None,
                screen_orientation: None,
                viewport: None,
                display_feature: None,
                device_posture: None,
            })
            .expect("a size");
    }

    /// What style sheets are for: `screen` or `print`.
    pub fn media(&self, media: &str, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let feature = Emulation::MediaFeature {
            name: "prefers-color-scheme".into(),
            value: value.into(),
        };
        self.tab
            .call_method(Emulation::SetEmulatedMedia {
                media: Some(media.into()),
                features: Some(vec![feature]),
            })
            .expect("media");
    }

    /// What an expression comes to.
    pub fn value(&self, expression: &str) -> Value {
        let json = format!("JSON.stringify((() => {{ return ({expression}); }})() ?? null)");
        let answer = self.tab.evaluate(&json, true);
        let answer = answer.unwrap_or_else(|error| panic!("{expression}: {error}"));
        let Some(Value::String(text)) = answer.value else {
            panic!("{expression}: {:?}", answer.description);
        };
        serde_json::from_str(&text).expect("JSON")
    }

    /// What a list of texts comes to.
    pub fn texts(&self, expression: &str) -> Vec<String> {
        serde_json::from_value(self.value(expression)).unwrap_or_else(|error| {
            panic!("{expression}: {error}");
        })
    }

    /// Clicks into the middle of an element, as a person does.
    pub fn click(&self, selector: &str) {
        self.tab
            .click_point(self.point(selector, 0.5))
            .expect("a click");
    }

    /// Points at an element, at this part of its width.
    pub fn point_at(&self, selector: &str, part: f64) {
        let point = self.point(selector, part);
        self.tab.move_mouse_to_point(point).expect("a pointer");
    }

    /// Presses a key.
    pub fn press(&self, key: &str) {
        self.tab.press_key(key).expect("a key");
    }

    fn point(&self, selector: &str, part: f64) -> Point {
        let at = self.value(&format!("asked.middle({}, {part})", Value::from(selector)));
        let number = |key: usize| {
            at[key]
                .as_f64()
                .unwrap_or_else(|| panic!("{selector}: {at}"))
        };
        Point {
            x: number(0),
            y: number(1),
        }
    }

    /// What the console said, exceptions, and requests for anything but the page.
    pub fn complaints(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("no listener panicked");
        let others = seen.requests.iter().filter(|url| **url != self.url);
        // What is inside of the page already is not asked for.
        let others = others.filter(|url| !url.starts_with("data:"));
        let others = others.map(|url| format!("it asked for {url}"));
        seen.complaints.iter().cloned().chain(others).collect()
    }

    /// As it would be printed.
    pub fn pdf(&self) -> Vec<u8> {
        self.tab.print_to_pdf(None).expect("a PDF")
    }

    /// A picture of the whole page for people, where `SQLITE_MEMBENCH_SCREENSHOTS` names a directory.
    pub fn screenshot(&self, name: &str) {
        let size = self.value("[innerWidth, document.documentElement.scrollHeight]");
        self.picture(name, Some(&size));
    }

    /// The same of what is in the window: the pointer stays where it is.
    pub fn screenshot_of_window(&self, name: &str) {
        self.picture(name, None);
    }

    fn picture(&self, name: &str, size: Option<&Value>) {
        let Some(directory) = env::var_os("SQLITE_MEMBENCH_SCREENSHOTS") else {
            return;
        };
        let clip = size.map(|size| Page::Viewport {
            x: 0.0,
            y: 0.0,
            width: size[0].as_f64().expect("a width"),
            height: size[1].as_f64().expect("a height").min(16_000.0),
            scale: 1.0,
        });
        let picture = self.tab.call_method(Page::CaptureScreenshot {
            format: Some(Page::CaptureScreenshotFormatOption::Png),
            capture_beyond_viewport: Some(clip.is_some()),
            clip,
            quality: None,
            from_surface: Some(true),
            optimize_for_speed: None,
        });
        let picture = BASE64_STANDARD.decode(picture.expect("a screenshot").data);
        fs::create_dir_all(&directory).expect("the directory of screenshots");
        let file = PathBuf::from(directory).join(format!("{name}.png"));
        fs::write(file, picture.expect("base64")).expect("the screenshot is written");
    }
}

impl Look {
    /// For a file's name.
    pub fn name(self) -> String {
        let scheme = if self.dark { "dark" } else { "light" };
        format!("{}-{scheme}", self.width)
    }
}

fn see(seen: &Mutex<Seen>, event: &Event) {
    let Ok(mut seen) = seen.lock() else { return };
    match event {
        Event::LogEntryAdded(event) => {
            let entry = &event.params.entry;
            seen.complaints
                .push(format!("{:?}: {}", entry.level, entry.text));
        }
        Event::RuntimeExceptionThrown(event) => {
            let details = &event.params.exception_details;
            let said = details
                .exception
                .as_ref()
                .and_then(|one| one.description.clone());
            seen.complaints
                .push(said.unwrap_or_else(|| details.text.clone()));
        }
        Event::RuntimeConsoleAPICalled(event) => {
            let said = format!("{:?}: {:?}", event.params.Type, event.params.args);
            seen.complaints.push(said);
        }
        Event::NetworkRequestWillBeSent(event) => {
            seen.requests.push(event.params.request.url.clone());
        }
        _ => {}
    }
}

/// `CHROME`, or what Debian and others call it.
fn chromium() -> PathBuf {
    let named = env::var("CHROME").ok();
    let found = match &named {
        Some(name) => first_of(&[name]),
        None => first_of(&["chromium", "chromium-browser", "google-chrome"]),
    };
    found.unwrap_or_else(|message| panic!("{message}"))
}

/// The first of these programs that there is.
pub fn first_of(names: &[&str]) -> Result<PathBuf, String> {
    for name in names {
        let found = Command::new("sh")
            .args(["-c", "command -v -- \"$0\"", name])
            .output()
            .expect("sh runs");
        let path = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        if found.status.success() && !path.is_empty() {
            return Ok(path.into());
        }
    }
    Err(format!(
        "a report is tried in a browser, and there is none ({}): apt-get install chromium, or name \
         one in the environment variable CHROME",
        names.join(", ")
    ))
}

/// What holds of every page, looked at like this.
pub fn assert_readable(page: &Opened, look: Look) {
    let none: Vec<String> = Vec::new();
    assert_eq!(page.complaints(), none, "{look:?}");
    let wide = page.value("[document.documentElement.scrollWidth, innerWidth]");
    assert!(
        wide[0].as_i64() <= wide[1].as_i64(),
        "{look:?} scrolls sideways: {wide}"
    );
    assert_eq!(page.texts("asked.overlaps()"), none, "{look:?}");
    assert_eq!(page.texts("asked.tooFaint(4.5)"), none, "{look:?}");
    assert_eq!(page.texts("asked.tooSmall(9)"), none, "{look:?}");
    assert_eq!(page.texts("asked.cutOff()"), none, "{look:?}");
}
