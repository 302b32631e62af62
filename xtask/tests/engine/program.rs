//! Stands in for both binaries. The service waits for its end, and ignores SIGTERM as any process 1
//! without a handler does. The probe finds it healthy.

use std::time::Duration;

fn main() {
    if std::env::args().next().is_some_and(|name| name.ends_with("healthchecker")) {
        return;
    }
    if let Ok(time) = std::env::var("ENDS_AFTER_MS") {
        std::thread::sleep(Duration::from_millis(time.parse().unwrap()));
        std::process::exit(9);
    }
    loop {
        std::thread::park();
    }
}
