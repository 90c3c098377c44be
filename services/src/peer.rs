//! One peer: flags and configuration become running services; the only spawns; ordered shutdown.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use chordial_proto::catalog_v1::catalog_service_server;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::calls::Calls;
use crate::catalog::{Catalog, CatalogOptions};
use crate::chord as chord_service;
use crate::config::{HostPort, PeerConfig, Service};
use crate::driver::{self, Handle};
use crate::metrics::{Metrics, RingMetrics};
use crate::state::{ServiceLock, StateFolder};
use crate::{advertise, gateway, grpc, public_url, transfer};

/// A graceful leave may take so long; then the services close, whatever is still open.
const LEAVE: Duration = Duration::from_secs(5);
/// The services may take so long to close.
const CLOSE: Duration = Duration::from_millis(2500);
/// From the start to the first note of which peers were met.
const FIRST_NOTE: Duration = Duration::from_secs(1);
/// Between two notes of them.
const REMEMBER: Duration = Duration::from_secs(10);
/// A transfer whose other side does nothing for so long is ended.
const STALL: Duration = Duration::from_secs(30);

/// Runs `services` of a peer until Ctrl-C or SIGTERM; then leaves the ring.
///
/// # Errors
/// What could not be started, or which service ended by itself.
pub async fn run(config: PeerConfig, services: Vec<Service>) -> anyhow::Result<()> {
    let mut peer = Peer::start(config, &services).await?;
    let failure = tokio::select! {
        () = stop_signal() => None,
        failure = peer.failure() => Some(failure),
    };
    tracing::info!("stopping");
    peer.stop().await;
    failure.map_or(Ok(()), Err)
}

/// Resolves on Ctrl-C and, where there is such a thing, SIGTERM.
pub async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! { _ = tokio::signal::ctrl_c() => {}, _ = terminate.recv() => {} }
            }
            Err(_) => drop(tokio::signal::ctrl_c().await),
        }
    }
    #[cfg(not(unix))]
    drop(tokio::signal::ctrl_c().await);
}

/// A running peer, or those of its services that run here.
pub struct Peer {
    config: PeerConfig,
    addresses: Addresses,
    /// Its gateway, as callers are told it.
    public_url: watch::Receiver<String>,
    handle: Option<Handle>,
    metrics: Metrics,
    cancel: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
    /// Locked as long as the services run.
    _locks: Vec<ServiceLock>,
}

/// Where each service of a peer is: as this process dials it, and as others do.
struct Addresses {
    local: [HostPort; 4],
    advertised: [HostPort; 4],
    /// None: the service does not run here.
    listens: [Option<SocketAddr>; 4],
    /// The host that is advertised, and why.
    chosen: advertise::Advertised,
}

impl Addresses {
    fn local(&self, service: Service) -> &HostPort {
        &self.local[service as usize]
    }

    fn advertised(&self, service: Service) -> &HostPort {
        &self.advertised[service as usize]
    }

    /// A connection that is made when it is first used.
    fn endpoint(&self, service: Service) -> anyhow::Result<Endpoint> {
        let url = self.local(service).url();
        let endpoint =
            Endpoint::from_shared(url.clone()).with_context(|| format!("{url} of service {service}"))?;
        Ok(endpoint
            .connect_timeout(Duration::from_secs(2))
            .tcp_nodelay(true)
            // A stream that says nothing for long, on another machine, is noticed to be cut off.
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(20)))
    }

    fn facts(&self, config: &PeerConfig) -> chord_service::Facts {
        let of = |service: Service| (self.listens[service as usize], self.advertised(service).clone());
        chord_service::Facts::new(config, self.chosen.clone(), of)
    }

    fn channel(&self, service: Service) -> anyhow::Result<Channel> {
        Ok(self.endpoint(service)?.connect_lazy())
    }
}

impl Peer {
    /// Starts `services` of a peer. When this returns they listen; the ring is joined in the background.
    ///
    /// # Errors
    /// What could not be had: a port, a folder, an address to advertise.
    pub async fn start(config: PeerConfig, services: &[Service]) -> anyhow::Result<Peer> {
        let state = StateFolder::open(&config.state)?;
        let mut locks = services.iter().map(|service| state.lock(*service)).collect::<Result<Vec<_>, _>>()?;
        let mut listeners: Vec<(Service, TcpListener)> = Vec::new();
        for (service, lock) in services.iter().zip(&mut locks) {
            let listener = bind(&config, *service).await?;
            lock.announce(listener.local_addr()?)?;
            listeners.push((*service, listener));
        }
        let addresses = addresses(&config, &listeners).await?;
        let cancel = CancellationToken::new();
        let own = addresses.advertised(Service::Gateway).url();
        let public_url = public_url::start(config.gateway.public_url.as_ref(), own, cancel.clone()).await;
        let mut peer = Peer {
            addresses,
            public_url,
            config,
            handle: None,
            metrics: Metrics::of(services),
            cancel,
            tasks: JoinSet::new(),
            _locks: locks,
        };
        for (service, listener) in listeners {
            tracing::info!(
                "{service} listens on {}, advertised as {}",
                listener.local_addr()?,
                peer.addresses.advertised(service)
            );
            match service {
                Service::Chord => peer.start_chord(listener, &state)?,
                Service::Catalog => peer.start_catalog(listener, &state)?,
                Service::Transfer => peer.start_transfer(listener)?,
                Service::Gateway => peer.start_gateway(listener)?,
            }
        }
        Ok(peer)
    }

    fn start_chord(&mut self, listener: TcpListener, state: &StateFolder) -> anyhow::Result<()> {
        let own = self.addresses.advertised(Service::Chord).to_string();
        let me = ::chord::Peer {
            incarnation: state.next_incarnation(SystemTime::now())?,
            name: self.config.name.as_str().into(),
            ..::chord::Peer::stranger(&own)
        };
        let url = |service| self.addresses.advertised(service).url();
        let services = ::chord::Services {
            catalog: url(Service::Catalog).into(),
            transfer: url(Service::Transfer).into(),
            gateway: self.public_url.borrow().as_str().into(),
        };
        tracing::info!("{} is {} on ring {}", self.config.name, me.id, self.config.ring);
        let node = ::chord::Node::new(me, services, core_config(&self.config));
        let stranger = |address: &HostPort| ::chord::Peer::stranger(&address.to_string());
        let friends = self.config.friends().map(stranger).collect();
        let remembered = state.peers().iter().map(stranger).collect();
        let calls = Arc::new(Calls::counted(RingMetrics::new(&self.metrics)));
        let handle = driver::spawn(node, calls, friends, remembered, self.cancel.clone());
        let catalog = self.addresses.channel(Service::Catalog)?;
        let events = chord_service::Events::start(handle.clone(), self.cancel.clone());
        let options = chord_service::Options {
            catalog: catalog.clone(),
            lookup_timeout: self.config.chord.lookup_timeout,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            service_hosts: self.config.security.service_hosts.clone(),
            events: events.clone(),
            facts: self.addresses.facts(&self.config),
        };
        let routes = chord_service::services(handle.clone(), options);
        let health = HealthReporter::new();
        self.tasks.spawn(grpc::serve(
            listener,
            routes,
            &chord_service::NAMES,
            health.clone(),
            self.grpc_limits(Service::Chord),
            self.metrics.served(Service::Chord),
            self.cancel.clone(),
        ));
        self.spawn(chord_service::report_health(handle.clone(), health, self.cancel.clone()));
        self.spawn(chord_service::feed(catalog, handle.clone(), events, self.cancel.clone()));
        self.spawn(chord_service::tell_progress(handle.clone(), self.cancel.clone()));
        self.spawn(tell_gateway(handle.clone(), self.public_url.clone(), self.cancel.clone()));
        self.spawn(remember(handle.clone(), state.clone(), self.cancel.clone()));
        self.spawn(note_lives(handle.clone(), state.clone(), self.cancel.clone()));
        self.handle = Some(handle);
        Ok(())
    }

    fn start_catalog(&mut self, listener: TcpListener, state: &StateFolder) -> anyhow::Result<()> {
        let options = CatalogOptions {
            directory: self.config.directory.clone(),
            peer_name: self.config.name.clone(),
            rescan: self.config.catalog.rescan,
            keep: self.config.catalog.keep,
            hashers: self.config.catalog.hashers,
            digests: Some(state.path().join("digests.redb")),
            metrics: self.metrics.clone(),
        };
        let catalog = Catalog::start(options, self.cancel.clone())?;
        let names = &[catalog_service_server::SERVICE_NAME];
        self.serve(Service::Catalog, listener, Routes::new(catalog.service()), names);
        Ok(())
    }

    fn start_transfer(&mut self, listener: TcpListener) -> anyhow::Result<()> {
        let (dummy, transfer) = transfer::services(transfer::Options {
            directory: self.config.directory.clone(),
            peer_name: self.config.name.clone(),
            catalog: self.addresses.channel(Service::Catalog)?,
            chunk: self.config.transfer.chunk,
            max_downloads: self.config.transfer.max_downloads,
            stall: STALL,
            uploads: self.config.transfer.uploads.then_some(transfer::UploadOptions {
                max_uploads: self.config.transfer.max_uploads,
                max_size: self.config.transfer.max_upload_size,
                quota: self.config.transfer.upload_quota,
            }),
            metrics: self.metrics.clone(),
        })?;
        let routes = Routes::new(dummy).add_service(transfer);
        self.serve(Service::Transfer, listener, routes, &transfer::NAMES);
        Ok(())
    }

    fn start_gateway(&mut self, listener: TcpListener) -> anyhow::Result<()> {
        let limits = gateway::Limits {
            max_connections: self.config.gateway.max_connections,
            header_timeout: self.config.gateway.header_timeout,
            body_timeout: self.config.gateway.body_timeout,
            request_timeout: self.config.gateway.request_timeout,
            idle: self.config.gateway.idle_timeout,
            stall: self.config.gateway.stall_timeout,
            requests_per_second: self.config.gateway.requests_per_second,
            requests_burst: self.config.gateway.requests_burst,
            max_header_bytes: self.config.gateway.max_headers,
            max_uri: self.config.gateway.max_uri,
            max_body: self.config.gateway.max_body as u64,
            max_downloads: self.config.transfer.max_downloads,
            max_event_streams: self.config.gateway.max_event_streams,
            counts: self.metrics.limited(Service::Gateway),
            ..gateway::Limits::default()
        };
        let config = &self.config.gateway;
        // However it is dialled within the peers' own network, and on this machine.
        let own =
            [Service::Gateway, Service::Chord].map(|service| self.addresses.advertised(service).host.clone());
        let machine = gethostname::gethostname().to_string_lossy().into_owned();
        let hosts = config.hosts.iter().cloned().chain(own).chain([machine]).collect();
        let options = gateway::Options {
            chord: self.addresses.endpoint(Service::Chord)?,
            catalog: self.addresses.endpoint(Service::Catalog)?,
            transfer: self.addresses.endpoint(Service::Transfer)?,
            peer_name: self.config.name.clone(),
            url: self.public_url.clone(),
            hosts,
            cors_origins: config.cors_origins.clone(),
            limits,
            metrics: self.metrics.clone(),
            service_hosts: self.config.security.service_hosts.clone(),
            config: self.config.shown.clone(),
        };
        self.tasks.spawn(gateway::serve(listener, options, self.cancel.clone()));
        Ok(())
    }

    /// Serves what is healthy as long as the process lives.
    fn serve(
        &mut self,
        service: Service,
        listener: TcpListener,
        routes: Routes,
        names: &'static [&'static str],
    ) {
        let (limits, cancel) = (self.grpc_limits(service), self.cancel.clone());
        let served = self.metrics.served(service);
        self.tasks.spawn(async move {
            let health = HealthReporter::new();
            for name in names {
                health.set_service_status(*name, ServingStatus::Serving).await;
            }
            grpc::serve(listener, routes, names, health, limits, served, cancel).await
        });
    }

    fn grpc_limits(&self, service: Service) -> grpc::Limits {
        let config = &self.config.grpc;
        grpc::Limits {
            max_connections: config.max_connections,
            max_streams: config.max_streams,
            max_requests: config.max_requests,
            max_header_bytes: config.max_headers,
            max_resets: config.max_resets,
            max_long: config.max_long_requests,
            half_sent: config.half_sent_timeout,
            long: config.long_timeout,
            stall: config.stall_timeout,
            ping: config.ping,
            pong: config.ping_timeout,
            counts: self.metrics.limited(service),
        }
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move {
            task.await;
            Ok(())
        });
    }

    /// Resolves when a service has ended by itself, which none should.
    async fn failure(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(panic)) => anyhow::anyhow!("a service has crashed: {panic}"),
            Some(Ok(Ok(()))) | None => anyhow::anyhow!("a service has ended by itself"),
        }
    }

    /// Leaves the ring, entries handed over; then closes the services.
    pub async fn stop(mut self) {
        if let Some(handle) = &self.handle {
            // Afterwards nobody is known any more.
            note(handle, &StateFolder::existing(&self.config.state), &mut Vec::new()).await;
            handle.leave(LEAVE).await;
        }
        self.cancel.cancel();
        let close = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(CLOSE, close).await.is_err() {
            tracing::warn!("some connections were still open after {CLOSE:?} and have been cut");
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Its configuration.
    pub fn config(&self) -> &PeerConfig {
        &self.config
    }

    /// Asks its node without a detour over gRPC; none: the chord service does not run here.
    pub fn handle(&self) -> Option<&Handle> {
        self.handle.as_ref()
    }

    /// Its chord service, as others dial it.
    pub fn chord_url(&self) -> String {
        self.addresses.advertised(Service::Chord).url()
    }

    /// Its transfer service, as others dial it.
    pub fn transfer_url(&self) -> String {
        self.addresses.advertised(Service::Transfer).url()
    }

    /// Its gateway, as others dial it.
    pub fn gateway_url(&self) -> String {
        self.addresses.advertised(Service::Gateway).url()
    }
}

async fn bind(config: &PeerConfig, service: Service) -> anyhow::Result<TcpListener> {
    let wanted = SocketAddr::new(config.ip, config.port(service));
    match TcpListener::bind(wanted).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bail!(
            "{wanted} is in use: stop the program that listens there, or set another `ports.{service}` (0 lets the \
             system choose)"
        ),
        Err(error) => {
            bail!("service {service} can't listen on {wanted}: {error}; check `ip` and `ports.{service}`")
        }
    }
}

async fn addresses(config: &PeerConfig, listeners: &[(Service, TcpListener)]) -> anyhow::Result<Addresses> {
    let chosen = advertise::resolve(config).await?;
    let host = &chosen.host;
    if advertise::is_public(host) {
        tracing::warn!(
            "{host} is a public address: peers and callers are not authenticated yet, so anybody who reaches it \
             can take part"
        );
    }
    let listens = |service: Service| {
        let here = listeners.iter().find(|(other, _)| *other == service);
        here.and_then(|(_, listener)| listener.local_addr().ok())
    };
    let port = |service: Service| listens(service).map_or(config.port(service), |address| address.port());
    let is_here = |service: Service| listeners.iter().any(|(other, _)| *other == service);
    let set = |service: Service| config.service(service).cloned();
    let local = |service: Service| {
        let on_this_machine = HostPort { host: dialled(config.ip).to_string(), port: port(service) };
        if is_here(service) { on_this_machine } else { set(service).unwrap_or(on_this_machine) }
    };
    let advertised = |service: Service| {
        set(service).unwrap_or_else(|| HostPort { host: host.clone(), port: port(service) })
    };
    let (local, advertised) = (Service::ALL.map(local), Service::ALL.map(advertised));
    let addresses = Addresses { local, advertised, listens: Service::ALL.map(listens), chosen };
    let own = &addresses.advertised(Service::Chord).host;
    for service in [Service::Catalog, Service::Transfer] {
        let host = &addresses.advertised(service).host;
        if host != own {
            tracing::warn!(
                "other peers dial service {service} at {host}, which is not {own} as for chord, only where their \
                 `security.service_hosts` has it"
            );
        }
    }
    Ok(addresses)
}

/// How this machine reaches a service that listens on `ip`.
fn dialled(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

fn core_config(config: &PeerConfig) -> ::chord::Config {
    ::chord::Config {
        ring: config.ring.as_str().into(),
        successors: config.chord.successors,
        replicas: config.chord.replicas,
        stabilize: config.chord.stabilize,
        stabilize_quiet: config.chord.stabilize_quiet,
        fix_fingers: config.chord.fix_fingers,
        call_timeout: config.chord.call_timeout,
        give_up: config.chord.give_up,
        contacts: config.chord.contacts,
        lease: config.index.lease,
        room: ::chord::index::Room { quota: config.index.quota, capacity: config.index.capacity },
        ..::chord::Config::default()
    }
}

/// Notes each later number that the node takes for itself, so that its next life is later still.
async fn note_lives(handle: Handle, state: StateFolder, cancel: CancellationToken) {
    let mut lives = handle.lives();
    while let Some(Ok(())) = cancel.run_until_cancelled(lives.changed()).await {
        let number = lives.borrow_and_update().incarnation;
        if let Err(error) = state.note_incarnation(number) {
            tracing::warn!("incarnation {number} can't be noted: {error}");
        }
    }
    // No service ends by itself, and a URL that is fixed has no changes.
    cancel.cancelled().await;
}

/// The node hears of every change of the URL that callers are told.
async fn tell_gateway(handle: Handle, mut url: watch::Receiver<String>, cancel: CancellationToken) {
    while let Some(Ok(())) = cancel.run_until_cancelled(url.changed()).await {
        let now = url.borrow_and_update().clone();
        handle.set_gateway(&now).await;
    }
    cancel.cancelled().await;
}

/// Notes now and then which peers were met, so that a later start finds the ring without its friends.
async fn remember(handle: Handle, state: StateFolder, cancel: CancellationToken) {
    let (mut noted, mut pause) = (Vec::new(), FIRST_NOTE);
    while tokio::time::timeout(pause, cancel.cancelled()).await.is_err() {
        note(&handle, &state, &mut noted).await;
        pause = REMEMBER;
    }
}

async fn note(handle: &Handle, state: &StateFolder, noted: &mut Vec<HostPort>) {
    let Some(snapshot) = handle.snapshot().await else { return };
    let met: Vec<HostPort> = snapshot.contacts.iter().filter_map(|peer| peer.address.parse().ok()).collect();
    if !met.is_empty() && met != *noted {
        match state.remember(&met) {
            Ok(()) => *noted = met,
            Err(error) => tracing::warn!("the peers met can't be noted: {error}"),
        }
    }
}
