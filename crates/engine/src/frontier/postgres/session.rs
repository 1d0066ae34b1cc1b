//! One connection to the database, with the statements that are used over and over.

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::failure::Failure;
use super::statements;
use super::{Access, Address};
use crate::frontier::tables::Table;

/// Time for making a connection, statements included.
const CONNECT: Duration = Duration::from_secs(5);

/// After this long without a sign of life the system asks whether the server is there, and after as long without an answer says no.
const SILENCE: Duration = Duration::from_secs(10);

/// Every statement goes by primary keys, whatever the planner thinks of tables it has no numbers of yet; commits are on the disk when they
/// are acknowledged.
const SETTINGS: &str = "
    SET synchronous_commit = on;
    SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET jit = off;
    SET client_min_messages = warning;
    SET statement_timeout = '60s';
";

/// See the module. It ends when it is dropped.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) commit: Statement,
    pub(super) known: Statement,
    get: Vec<Statement>,
    range: Vec<Statement>,
}

impl Session {
    /// Connects, and brings nothing along but the tables' statements if there are tables.
    pub(super) async fn open(address: &Address, access: &Access) -> Result<Session, Failure> {
        let late = |_| Failure::Passing(format!("no connection within {} s", CONNECT.as_secs()));
        let client = tokio::time::timeout(CONNECT, connect(address, access)).await.map_err(late)??;
        let prepared = async {
            client.batch_execute(SETTINGS).await?;
            let bytes = &[Type::INT4, Type::BYTEA][..];
            let between = &[Type::INT4, Type::BYTEA, Type::BYTEA, Type::INT8][..];
            let get: Vec<String> = Table::ALL.into_iter().map(statements::get).collect();
            let range: Vec<String> = Table::ALL.into_iter().map(statements::range).collect();
            let commit = statements::commit();
            tokio::try_join!(
                client.prepare(&commit),
                client.prepare(statements::KNOWN),
                try_join_all(get.iter().map(|text| client.prepare_typed(text, bytes))),
                try_join_all(range.iter().map(|text| client.prepare_typed(text, between))),
            )
        };
        let (commit, known, get, range) =
            tokio::time::timeout(CONNECT, prepared).await.map_err(late)?.map_err(|error| Failure::of(&error))?;
        Ok(Session { client, commit, known, get, range })
    }

    /// The statement for a value.
    pub(super) fn get(&self, table: Table) -> &Statement {
        &self.get[table as usize]
    }

    /// The statement for rows in their order.
    pub(super) fn range(&self, table: Table) -> &Statement {
        &self.range[table as usize]
    }
}

/// Connects without anything else. The connection lives on a task of its own until its client is dropped.
pub(super) async fn connect(address: &Address, access: &Access) -> Result<Client, Failure> {
    let mut config = Config::new();
    config
        .host(&address.host)
        .port(address.port)
        .user(&address.user)
        .dbname(&address.database)
        .application_name("gossamer")
        .connect_timeout(CONNECT)
        .keepalives_idle(SILENCE)
        .keepalives_interval(SILENCE / 5)
        .keepalives_retries(5)
        .tcp_user_timeout(SILENCE)
        .ssl_mode(if address.tls { SslMode::Require } else { SslMode::Disable });
    if let Some(password) = &access.password {
        config.password(password.reveal());
    }
    let failed = |error: tokio_postgres::Error| Failure::of(&error);
    if address.tls {
        let (client, connection) = config.connect(MakeRustlsConnect::new(tls(access)?)).await.map_err(failed)?;
        tokio::spawn(connection);
        Ok(client)
    } else {
        let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// TLS with the authorities that everybody knows, and the user's own.
fn tls(access: &Access) -> Result<ClientConfig, Failure> {
    let mut authorities = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = &access.authority {
        let unreadable = |why: String| Failure::Lasting(format!("cannot read the certificate {}: {why}", file.display()));
        let certificates = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            authorities.add(certificate).map_err(|error| unreadable(error.to_string()))?;
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| Failure::Lasting(error.to_string()))?;
    Ok(builder.with_root_certificates(authorities).with_no_client_auth())
}
