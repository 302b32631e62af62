//! From the setting `--database` to a service over the store that it names.

#[cfg(feature = "native-db")]
mod embedded;

use accountservice_core::{AccountService, AsyncAccountStore};
use accountservice_host::Handler;
use accountservice_process::Shutdown;
#[cfg(feature = "native-db")]
use accountservice_store_native_db::NativeDbStore;
#[cfg(feature = "postgres")]
use accountservice_store_postgres::{PostgresStore, Settings as PostgresSettings};
use bytes::Bytes;
use http::{Request, Response};

use crate::process;
use crate::settings::{Database, Settings};

/// The service over the store that the setting `--database` names.
pub(crate) enum Service {
    #[cfg(feature = "native-db")]
    Embedded(Box<AccountService<NativeDbStore>>),
    #[cfg(feature = "postgres")]
    Shared(AccountService<PostgresStore>),
}

impl Handler for Service {
    async fn respond(&self, request: Request<Bytes>) -> Response<Bytes> {
        match self {
            #[cfg(feature = "native-db")]
            Self::Embedded(service) => service.respond(request).await,
            #[cfg(feature = "postgres")]
            Self::Shared(service) => service.respond(request).await,
        }
    }
}

/// The service, ready to respond; `None` if the process was asked to stop meanwhile. A shared store
/// is reached and seeded in the background.
pub(crate) async fn open(
    settings: &Settings,
    #[cfg_attr(not(feature = "native-db"), expect(unused_variables, reason = "it opens at once"))]
    shutdown: &mut Shutdown,
) -> anyhow::Result<Option<Service>> {
    let served_by = settings.served_by.clone();
    let served_by = served_by.unwrap_or_else(process::address_or_host_name);
    Ok(match &settings.database {
        #[cfg(feature = "native-db")]
        Database::File(path) => {
            embedded::open(path, settings.accounts, shutdown).await?.map(|store| {
                let service = AccountService::new(store, served_by);
                Service::Embedded(Box::new(configured(service, settings)))
            })
        }
        #[cfg(not(feature = "native-db"))]
        Database::File(path) => {
            let path = path.display();
            anyhow::bail!("{path}: this build has no embedded database (Cargo feature native-db)")
        }
        #[cfg(feature = "postgres")]
        Database::Postgres(url) => {
            let options = PostgresSettings { accounts: settings.accounts, ..Default::default() };
            let store = PostgresStore::start(url.clone(), options);
            let service = AccountService::shared(store, served_by);
            Some(Service::Shared(configured(service, settings)))
        }
    })
}

/// The service as the settings want it. The names of routes are for metrics.
fn configured<S: AsyncAccountStore>(
    service: AccountService<S>,
    settings: &Settings,
) -> AccountService<S> {
    service.with_testability(settings.testability).with_route_names(settings.metrics_port.is_some())
}
