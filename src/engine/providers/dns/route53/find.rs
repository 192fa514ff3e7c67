//! Which hosted zone it is: that of the id in the roster, or the only public one of the name. A private zone may have the name of
//! a public one, and so may several public ones, so of several kwo picks none.

use kwo_planner::plain::one_line;
use kwo_planner::tree::SmolStr;

use super::answers::{Hosted, hosted};
use super::{MOST_PAGES, Route53, VERSION};
use crate::providers::dns::records;

impl Route53 {
    /// The id of the zone.
    pub(super) async fn found(&self) -> Result<SmolStr, String> {
        if let Some(id) = self.id.get() {
            return Ok(id.clone());
        }
        let (server, zone) = (self.line.api.server(), &self.zone);
        let id = match &self.named {
            Some(id) => {
                let path = format!("{VERSION}/hostedzone/{id}");
                let answer = self.ask(&path, &[], "GetHostedZoneResponse", "GetHostedZone").await?;
                let element =
                    answer.child("HostedZone").ok_or_else(|| self.unlike("it names no hosted zone"))?;
                let found = hosted(element).map_err(|why| self.unlike(&why))?;
                if found.name != *zone || found.id != *id {
                    return Err(format!(
                        "the hosted zone {id} at {server} is {}, and not {zone}; let `zone` under `dns.zones` be the id of \
                         {zone}",
                        one_line(&found.name)
                    ));
                }
                found.id
            }
            None => self.only(&self.of_this_name().await?)?,
        };
        Ok(self.id.get_or_init(|| id).clone())
    }

    /// All hosted zones of this name.
    async fn of_this_name(&self) -> Result<Vec<Hosted>, String> {
        let (path, action) = (format!("{VERSION}/hostedzonesbyname"), "ListHostedZonesByName");
        let (mut zones, mut after) = (Vec::new(), String::new());
        loop {
            let name = format!("{}.", self.zone);
            let mut pairs = vec![("dnsname", name.as_str()), ("maxitems", "100")];
            if !after.is_empty() {
                pairs.push(("hostedzoneid", &after));
            }
            let answer = self.ask(&path, &pairs, "ListHostedZonesByNameResponse", action).await?;
            let list = answer.child("HostedZones").ok_or_else(|| self.unlike("it has no list of zones"))?;
            let listed = list.children.iter().map(hosted);
            let listed: Vec<Hosted> = listed.collect::<Result<_, _>>().map_err(|why| self.unlike(&why))?;
            zones.extend(listed.into_iter().filter(|listed| listed.name == self.zone));
            let text = |of: &str| answer.text_of(of).unwrap_or_default();
            let goes_on = text("IsTruncated") == "true" && records::name(text("NextDNSName")) == self.zone;
            if !goes_on {
                return Ok(zones);
            }
            let next = text("NextHostedZoneId").trim_start_matches("/hostedzone/").to_owned();
            if next.is_empty() || next == after || zones.len() > MOST_PAGES {
                return Err(self.unlike("its list of zones does not go on"));
            }
            after = next;
        }
    }

    /// The only public one of these. Of several kwo picks none: each may be the one that answers.
    fn only(&self, zones: &[Hosted]) -> Result<SmolStr, String> {
        let (server, zone) = (self.line.api.server(), &self.zone);
        let told = |private: bool| {
            let ids = zones.iter().filter(|zone| zone.private == private).map(|zone| zone.id.as_str());
            ids.collect::<Vec<_>>()
        };
        let (public, private) = (told(false), told(true));
        match (public.as_slice(), private.as_slice()) {
            ([id], _) => Ok((*id).into()),
            ([], []) => Err(format!(
                "{server} shows no hosted zone {zone} to the access key; make the zone there first, or use a key of the account \
                 that has it"
            )),
            ([], private) => Err(format!(
                "{server} has no public zone {zone}, and these private ones: {}; write `zone: ID` with the one that kwo is to \
                 keep",
                private.join(", ")
            )),
            (public, private) => {
                let more = if private.is_empty() {
                    String::new()
                } else {
                    format!(", and these private ones: {}", private.join(", "))
                };
                Err(format!(
                    "{server} has several public zones {zone}: {}{more}; write `zone: ID` with the one that the registrar's \
                     name servers answer for",
                    public.join(", ")
                ))
            }
        }
    }
}
