//! The launch template: what instances of a node group are like.
//!
//! Its versions are fixed; a change is a new version, made the default one. Old versions stay, for
//! a node group may still run them. Two calls find all, however many there are: the templates with
//! our tag, and the default version of every template of the account, which is the only way to
//! read several templates' data with one call. A third looks at wanted names that are not ours yet.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeLaunchTemplateVersions.html>
//!
//! A second create of the same name is refused. Deleting it while a node group runs it breaks
//! that, so node groups name it as their parent.

mod data;

pub use data::{Data, RootVolume, Settings};
pub(crate) use data::{but_tags, settings};

use super::{Ec2, filter, from_ec2, ours, retag, tag_on_create, told, touches};
use crate::aws::call::{gone_is_fine, pages, safe};
use crate::aws::settle::until_seen;
use crate::aws::tags::{foreign, made_before};
use crate::graph::Handle;
use crate::kind::{
    Change, Clash, Class, CreateIs, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership,
    Result, Seen, Status, Tags, Typical, Wanted,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_ec2::types::{
    LaunchTemplate as Ec2LaunchTemplate, LaunchTemplateVersion, ResourceType,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// A launch template.
#[derive(Clone, Debug, Serialize)]
pub struct LaunchTemplate {
    /// Its name, 3 to 128 characters, unique in the region; fixed.
    pub name: String,
    /// What instances made from it are like.
    pub data: Data,
}

/// A live launch template.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its id.
    pub id: Id<LaunchTemplate>,
    /// Its name.
    pub name: String,
    /// The number of its default version.
    pub version: i64,
    /// What its default version says.
    pub settings: Settings,
}

impl Handle<LaunchTemplate> {
    /// The template's id.
    pub fn id(&self) -> In<Id<LaunchTemplate>> {
        self.output("launch template id", |live| Some(live.id.clone()))
    }

    /// The number of its default version: what says all that is wanted, once it is ready.
    pub fn version(&self) -> In<i64> {
        self.output("launch template version", |live| Some(live.version)).ready()
    }
}

impl Kind for LaunchTemplate {
    const NAME: &'static str = "aws.ec2.launch_template";
    const TITLE: &'static str = "launch template";
    const NATURE: Nature = Nature {
        create_is: CreateIs::Named,
        typical: Typical { create: 1, update: 1, delete: 1 },
        actions: &[
            "ec2:CreateLaunchTemplate",
            "ec2:DescribeLaunchTemplates",
            "ec2:DescribeLaunchTemplateVersions",
            "ec2:CreateLaunchTemplateVersion",
            "ec2:ModifyLaunchTemplate",
            "ec2:DeleteLaunchTemplate",
            "ec2:CreateTags",
            "ec2:DeleteTags",
            // A node group with a template is refused to whoever may not run instances of it.
            "ec2:RunInstances",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { name, data } = self;
        diff.replaces("name", name, &live.name);
        let settings = data.settings(diff);
        diff.exclusive("data", &settings, &live.settings);
    }

    fn summary(&self) -> String {
        format!("{}  {} GiB", self.name, self.data.root_volume.size_gib)
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("id", live.id.to_string()), ("version", live.version.to_string())]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let mine = templates(cx, Look::Ours);
        let versions = pages(
            cx,
            "ec2:DescribeLaunchTemplateVersions",
            |token| {
                let request = ec2.0.describe_launch_template_versions().versions("$Default");
                request.set_next_token(token).send()
            },
            |page| page.next_token(),
        );
        let (mine, versions) = futures::try_join!(mine, versions)?;
        // A name that is ours is nobody else's.
        let is_ours = |name: &&str| {
            mine.iter().any(|template| {
                template.launch_template_name() == Some(*name)
                    && foreign(cx, &from_ec2(template.tags())).is_none()
            })
        };
        let mut names: Vec<&str> =
            wanted.iter().map(|wanted| wanted.desired.name.as_str()).collect();
        names.retain(|name| !is_ours(name));
        let taken = match names.is_empty() {
            true => Vec::new(),
            false => templates(cx, Look::Named(&names)).await?,
        };
        let versions: BTreeMap<&str, &LaunchTemplateVersion> = versions
            .iter()
            .flat_map(|page| page.launch_template_versions())
            .filter_map(|version| Some((version.launch_template_id()?, version)))
            .collect();
        let mut listed = Listed::default();
        for template in &mine {
            let id = told(template.launch_template_id(), "id of a launch template")?;
            let found = match versions.get(id) {
                Some(version) => Some(live(template, version)?),
                // Made between the two calls, or not shown by both yet.
                None => {
                    version_of(cx, id, "$Default").await?.map(|v| live(template, &v)).transpose()?
                }
            };
            let Some(live) = found else { continue };
            listed.add(cx, id, from_ec2(template.tags()), Status::Ready, Vec::new(), live);
        }
        for template in &taken {
            let name = template.launch_template_name().unwrap_or_default();
            let wants = wanted.iter().find(|wanted| wanted.desired.name == name);
            let owner = foreign(cx, &from_ec2(template.tags()));
            if let (Some(wants), Some(owner)) = (wants, owner) {
                let id = PhysicalId::new(template.launch_template_id().unwrap_or_default());
                listed.clashes.push(Clash { address: wants.address.clone(), id, owner });
            }
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let data = self.data.request(cx)?;
        let tags = tag_on_create(cx, ResourceType::LaunchTemplate)?;
        let token = &cx.step()?.token;
        let made = safe(cx, "ec2:CreateLaunchTemplate", || {
            ec2.0
                .create_launch_template()
                .launch_template_name(&self.name)
                .launch_template_data(data.clone())
                .client_token(token)
                .tag_specifications(tags.clone())
                .send()
        })
        .await;
        let (template, tags) = match made {
            Err(error) if error.class == Class::Exists => {
                let look = || async {
                    Ok(templates(cx, Look::Named(&[self.name.as_str()])).await?.into_iter().next())
                };
                let template = until_seen(cx, look).await?.ok_or(error)?;
                let tags = from_ec2(template.tags());
                let id = template.launch_template_id().unwrap_or_default();
                made_before(cx, Self::TITLE, id, &tags)?;
                (template, tags)
            }
            made => (
                made?.launch_template.ok_or_else(|| {
                    Error::local("CreateLaunchTemplate answered without a template")
                })?,
                cx.tags()?,
            ),
        };
        let id = told(template.launch_template_id(), "id of a launch template")?.to_owned();
        // The answer leaves the data out.
        let look = || version_of(cx, &id, "$Default");
        let version = until_seen(cx, look).await?;
        let version = version
            .ok_or_else(|| Error::local(format!("launch template {id} can not be read back")))?;
        let owner = Ownership::from_tags(&tags).map_err(Error::local)?;
        Ok(whole(live(&template, &version)?, tags, &owner))
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let id = found.live.id.as_str();
        if touches(changes, "data") {
            let ec2 = cx.api::<Ec2>()?;
            let data = self.data.request(cx)?;
            let token = uuid::Uuid::new_v4().to_string();
            let made = safe(cx, "ec2:CreateLaunchTemplateVersion", || {
                ec2.0
                    .create_launch_template_version()
                    .launch_template_id(id)
                    .launch_template_data(data.clone())
                    .client_token(&token)
                    .send()
            })
            .await?;
            let number = made.launch_template_version().and_then(|it| it.version_number());
            let number = number.ok_or_else(|| {
                Error::local("CreateLaunchTemplateVersion answered without a number")
            })?;
            safe(cx, "ec2:ModifyLaunchTemplate", || {
                ec2.0
                    .modify_launch_template()
                    .launch_template_id(id)
                    .default_version(number.to_string())
                    .send()
            })
            .await?;
        }
        retag(cx, id, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let ec2 = cx.api::<Ec2>()?;
        let id = found.live.id.as_str();
        gone_is_fine(
            safe(cx, "ec2:DeleteLaunchTemplate", || {
                ec2.0.delete_launch_template().launch_template_id(id).send()
            })
            .await,
        )?;
        Ok(())
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let (templates, version) = futures::try_join!(
            templates(cx, Look::Id(id.as_str())),
            version_of(cx, id.as_str(), "$Default")
        )?;
        let (Some(template), Some(version)) = (templates.first(), version) else { return Ok(None) };
        let tags = from_ec2(template.tags());
        Ok(Some(whole(live(template, &version)?, tags, owner)))
    }
}

/// Which templates to look for. Ids and names go into filters, where AWS answers an empty list
/// for what is not there.
enum Look<'a> {
    Ours,
    Named(&'a [&'a str]),
    Id(&'a str),
}

async fn templates(cx: &Cx, look: Look<'_>) -> Result<Vec<Ec2LaunchTemplate>> {
    let ec2 = cx.api::<Ec2>()?;
    let (filters, id) = match look {
        Look::Ours => (Some(vec![ours(cx)]), None),
        Look::Named(names) => {
            (Some(vec![filter("launch-template-name", names.iter().copied())]), None)
        }
        Look::Id(id) => (None, Some(vec![id.to_owned()])),
    };
    let pages = gone_is_fine(
        pages(
            cx,
            "ec2:DescribeLaunchTemplates",
            |token| {
                ec2.0
                    .describe_launch_templates()
                    .set_filters(filters.clone())
                    .set_launch_template_ids(id.clone())
                    .set_next_token(token)
                    .send()
            },
            |page| page.next_token(),
        )
        .await,
    )?;
    let pages = pages.unwrap_or_default();
    Ok(pages.into_iter().flat_map(|page| page.launch_templates.unwrap_or_default()).collect())
}

/// One version of a template, by number or `$Default`; `None` when there is none.
pub(crate) async fn version_of(
    cx: &Cx,
    id: &str,
    version: &str,
) -> Result<Option<LaunchTemplateVersion>> {
    let ec2 = cx.api::<Ec2>()?;
    let answer = safe(cx, "ec2:DescribeLaunchTemplateVersions", || {
        let request = ec2.0.describe_launch_template_versions();
        request.launch_template_id(id).versions(version).send()
    })
    .await;
    let answer = match answer {
        Err(error) if error.is_code("InvalidLaunchTemplateId.VersionNotFound") => return Ok(None),
        answer => gone_is_fine(answer)?,
    };
    let versions = answer.and_then(|answer| answer.launch_template_versions);
    Ok(versions.and_then(|versions| versions.into_iter().next()))
}

fn live(template: &Ec2LaunchTemplate, version: &LaunchTemplateVersion) -> Result<Live> {
    Ok(Live {
        id: Id::new(told(template.launch_template_id(), "id of a launch template")?),
        name: template.launch_template_name().unwrap_or_default().to_owned(),
        version: version
            .version_number()
            .or(template.default_version_number())
            .ok_or_else(|| Error::local("ec2 answered a launch template without a version"))?,
        settings: version.launch_template_data().map(settings).unwrap_or_default(),
    })
}

fn whole(live: Live, tags: Tags, owner: &Ownership) -> Found<LaunchTemplate> {
    let id = PhysicalId::new(live.id.as_str());
    Found { id, owner: owner.clone(), status: Status::Ready, parents: Vec::new(), tags, live }
}
