//! The flags that override `infra/deploy.toml`. Each overrides the key of its name, which is
//! explained there. `main` parses them.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::settings::{EndpointMode, Publish, Settings};
use crate::units::Span;
use crate::workspace::root;

/// Which service.
#[derive(Args)]
pub(crate) struct Names {
    /// The settings file [default: infra/deploy.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The Swarm service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// The image, without a tag
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// The overlay network
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
}

/// Which service, and how it is deployed.
#[derive(Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    names: Names,
    /// How many containers
    #[arg(long, value_name = "N")]
    replicas: Option<u32>,
    /// The published port
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// How the port is published
    #[arg(long, value_enum)]
    publish: Option<Publish>,
    /// How other services reach this one
    #[arg(long, value_enum)]
    endpoint_mode: Option<EndpointMode>,
    /// Turn on the route that forces a container unhealthy
    #[arg(long)]
    testability: bool,
    /// Push the image to its registry
    #[arg(long)]
    push: bool,
    /// How long to wait for Swarm, such as 90s
    #[arg(long, value_name = "TIME")]
    deadline: Option<Span>,
}

impl Names {
    /// The settings file with the names on top, checked as a whole.
    pub(crate) fn settings(self) -> Result<Settings> {
        let settings = self.unchecked()?;
        settings.check()?;
        Ok(settings)
    }

    fn unchecked(self) -> Result<Settings> {
        let config = self.config.as_deref().map(std::path::absolute).transpose()?;
        let mut settings = match &config {
            Some(file) => Settings::read(file)?,
            None => Settings::read(&root()?.join("infra/deploy.toml"))?,
        };
        settings.file = config;
        set(&mut settings.service, self.service);
        set(&mut settings.image, self.image);
        set(&mut settings.network, self.network);
        Ok(settings)
    }
}

impl Flags {
    /// The settings file with the flags on top, checked as a whole.
    pub(crate) fn settings(self) -> Result<Settings> {
        let mut settings = self.names.unchecked()?;
        set(&mut settings.replicas, self.replicas);
        set(&mut settings.port, self.port);
        set(&mut settings.publish, self.publish);
        set(&mut settings.endpoint_mode, self.endpoint_mode);
        set(&mut settings.deadline, self.deadline);
        settings.testability |= self.testability;
        settings.push |= self.push;
        settings.check()?;
        Ok(settings)
    }
}

fn set<T>(value: &mut T, flag: Option<T>) {
    if let Some(flag) = flag {
        *value = flag;
    }
}
