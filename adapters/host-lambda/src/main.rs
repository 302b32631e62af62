//! The binary `bootstrap`: the account service on AWS Lambda. Settings, store, handler, events.
//!
//! Lambda starts one process for each request that it runs at the same time. There is no server, no
//! connection and no timeout here: those are API Gateway's, or the load balancer's.

mod event;
mod response;
mod runtime;
mod serve;
mod settings;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

use accountservice_core::AccountService;
use accountservice_host::Exchanges;
#[cfg(all(target_arch = "x86_64", target_env = "musl"))]
use accountservice_musl_memory as _;
use accountservice_process::{Exit, Shutdown, log_panics};
use accountservice_store_native_db::NativeDbStore;
use anyhow::Result;
use dlmalloc::GlobalDlmalloc;
use tracing::level_filters::LevelFilter;
use tracing::{info, warn};

use runtime::Runtime;
use serve::serve;
use settings::Settings;

/// Each instance creates its database, for which redb allocates and frees bitmaps of 128 KiB and more
/// about a thousand times. musl maps memory for each of them and unmaps it again, which is more than half
/// of the start. This allocator keeps it.
#[global_allocator]
static ALLOCATOR: GlobalDlmalloc = GlobalDlmalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Ok(address) = std::env::var("AWS_LAMBDA_RUNTIME_API") else {
        let error = "AWS_LAMBDA_RUNTIME_API is not set, as Lambda sets it";
        return Exit::Failed(error.into()).report("bootstrap");
    };
    let mut runtime = Runtime::new(&address);
    let Err(error) = run(&mut runtime).await else { return ExitCode::SUCCESS };
    // Lambda takes it before the first event only. It sees the exit status in any case.
    let _ = runtime.fail("init", &error).await;
    Exit::Failed(format!("{error:#}")).report("bootstrap")
}

async fn run(runtime: &mut Runtime) -> Result<()> {
    let settings = Settings::read(|name| std::env::var_os(name))?;
    start_log(settings.log_level);
    info!("Starting accountservice");
    let mut shutdown = Shutdown::listen()?;
    if let Err(error) = runtime.register_for_sigterm().await {
        warn!("There will be no SIGTERM: {error:#}");
    }
    let store = NativeDbStore::open(&settings.database)?;
    store.seed(settings.accounts, |_| ControlFlow::Continue(()))?;
    info!("Seeded {} fake accounts...", settings.accounts);
    let service =
        AccountService::new(store, settings.served_by).with_testability(settings.testability);
    let exchanges = Exchanges::new(settings.max_body, Arc::new(()));
    serve(runtime, &service, &exchanges, &settings.base_path, shutdown.requested()).await
}

/// JSON lines on standard output, written at once: the process stands still between two events.
fn start_log(level: LevelFilter) {
    let log = tracing_subscriber::fmt().with_max_level(level).with_target(false);
    log.json().flatten_event(true).init();
    log_panics();
}
