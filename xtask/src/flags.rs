//! The flags that override `infra/deploy.toml`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::command::root;
use crate::settings::{EndpointMode, Publish, Settings};
use crate::units::Span;

/// Each overrides the key of its name in the settings file, where it is explained.
#[derive(Args)]
pub(crate) struct Flags {
    /// The settings file [default: infra/deploy.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The Swarm service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// The image, without a tag
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// How many containers
    #[arg(long, value_name = "N")]
    replicas: Option<u32>,
    /// The overlay network to join
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
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

impl Flags {
    /// The settings file with the flags on top, checked as a whole.
    pub(crate) fn settings(self) -> Result<Settings> {
        let config = self.config.unwrap_or_else(|| root().join("infra/deploy.toml"));
        let mut settings = Settings::read(&config)?;
        let Settings { service, image, replicas, network, port, .. } = &mut settings;
        set(service, self.service);
        set(image, self.image);
        set(replicas, self.replicas);
        set(network, self.network);
        set(port, self.port);
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
