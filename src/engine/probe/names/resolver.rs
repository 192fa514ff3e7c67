//! The resolver that stands for those of the world: what it says, and whether it says nothing because DNSSEC forbids it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use domain::base::Rtype;
use domain::base::iana::Rcode;
use tokio::sync::OnceCell;

use super::ask::{Asker, Data, DnsName, Question, Reply, text};
use super::caa::Property;

type Known = OnceCell<Result<Vec<Property>, String>>;

/// One resolver.
pub(super) struct Resolver<'a> {
    pub(super) asker: &'a Asker,
    pub(super) address: SocketAddr,
    /// The CAA records of names that were asked for already: most hosts have the same names above them.
    caa: Mutex<BTreeMap<String, Arc<Known>>>,
}

/// What a resolver makes of a question.
pub(super) enum Seen {
    /// It answers.
    Answer(Reply),
    /// It answers only if DNSSEC does not count: for whoever asks it, the name is not there.
    Forged(Reply),
    /// It cannot find out.
    Fails(Rcode),
}

impl<'a> Resolver<'a> {
    /// The first of these that answers; a name that they are asked about may be any.
    ///
    /// # Errors
    /// When none answers; says why of each.
    pub(super) async fn choose(
        asker: &'a Asker,
        addresses: &[SocketAddr],
        name: &DnsName,
    ) -> Result<Resolver<'a>, String> {
        let mut why = Vec::new();
        for address in addresses {
            let question = Question { name, of: Rtype::SOA, recursive: true, unchecked: true };
            match asker.ask(*address, question).await {
                Ok(reply) if reply.rcode == Rcode::REFUSED || reply.rcode == Rcode::NOTIMP => {
                    why.push(format!("{address} does not resolve names for this machine ({})", reply.rcode));
                }
                Ok(_) => return Ok(Resolver { asker, address: *address, caa: Mutex::default() }),
                Err(error) => why.push(error),
            }
        }
        Err(why.join("; "))
    }

    /// What it says of a name.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) async fn see(&self, name: &DnsName, of: Rtype) -> Result<Seen, String> {
        let question = Question { name, of, recursive: true, unchecked: false };
        let reply = self.asker.ask(self.address, question).await?;
        match reply.rcode {
            Rcode::NOERROR | Rcode::NXDOMAIN => return Ok(Seen::Answer(reply)),
            Rcode::SERVFAIL => {}
            other => return Ok(Seen::Fails(other)),
        }
        let unchecked = self.asker.ask(self.address, Question { unchecked: true, ..question }).await?;
        Ok(match unchecked.rcode {
            Rcode::NOERROR | Rcode::NXDOMAIN => Seen::Forged(unchecked),
            other => Seen::Fails(other),
        })
    }

    /// The same where it counts only that there is an answer.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn find(&self, name: &DnsName, of: Rtype) -> Result<Reply, String> {
        match self.see(name, of).await? {
            Seen::Answer(reply) | Seen::Forged(reply) => Ok(reply),
            Seen::Fails(rcode) => {
                Err(format!("the resolver {} answers {rcode} to {} {of}", self.address, text(name)))
            }
        }
    }

    /// The addresses of a name, those of IPv4 first.
    ///
    /// # Errors
    /// When it could not be asked for both.
    pub(super) async fn addresses(&self, name: &DnsName) -> Result<Vec<IpAddr>, String> {
        let (v4, v6) = tokio::join!(self.find(name, Rtype::A), self.find(name, Rtype::AAAA));
        let mut all = v4?.addresses(name)?;
        all.extend(v6?.addresses(name)?);
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// The CAA records of a name, or of the end of its aliases.
    ///
    /// # Errors
    /// When they could not be asked for.
    pub(super) async fn caa(&self, name: &DnsName) -> Result<Vec<Property>, String> {
        let known = {
            let mut all = self.caa.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(text(name)).or_default())
        };
        known.get_or_init(|| self.ask_caa(name)).await.clone()
    }

    async fn ask_caa(&self, name: &DnsName) -> Result<Vec<Property>, String> {
        let reply = match self.see(name, Rtype::CAA).await? {
            Seen::Answer(reply) => reply,
            Seen::Forged(_) => {
                return Err(format!("the CAA records of {} are not proved by DNSSEC", text(name)));
            }
            Seen::Fails(rcode) => {
                return Err(format!("the resolver {} answers {rcode} to {} CAA", self.address, text(name)));
            }
        };
        let property = |data: &Data| match data {
            Data::Caa { critical, tag, value } => {
                Some(Property { critical: *critical, tag: tag.clone(), value: value.clone() })
            }
            _ => None,
        };
        Ok(reply.of(name)?.1.iter().filter_map(|record| property(&record.data)).collect())
    }
}
