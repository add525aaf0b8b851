//! Launch templates; what is in a version is in `launch_template_data.rs`.

use super::compute::{LaunchTemplate, TemplateVersion};
use super::launch_template_data as data;
use super::model::Ec2;
use super::resource::{self, Fields, Listing, Resource, dry_run, stored};
use super::{page, tags, token};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Resource for LaunchTemplate {
    const PREFIX: &'static str = "lt";
    const TYPE: &'static str = "launch-template";
    const NOT_FOUND: &'static str = "InvalidLaunchTemplateId.NotFound";
    const NOUN: &'static str = "launch template ID";
    const FIELDS: Fields<Self> = &[
        ("launch-template-name", |_, template| vec![template.name.clone()]),
        ("create-time", |_, template| vec![template.created.iso()]),
    ];

    stored!(launch_templates);

    fn write(&self, view: &View<'_>) -> Value {
        json!({
            "launchTemplateId": self.id,
            "launchTemplateName": self.name,
            "createTime": self.created.iso(),
            "createdBy": format!(
                "arn:{}:iam::{}:user/sandbox", view.scope.partition(), view.scope.account
            ),
            "defaultVersionNumber": self.default,
            "latestVersionNumber": self.latest,
            "tagSet": tags::write(&self.tags),
        })
    }
}

impl LaunchTemplate {
    /// The number that `$Default`, `$Latest` or a number stands for, if there is such a version.
    pub(crate) fn resolve(&self, version: &str) -> Option<i64> {
        let number = match version {
            "$Default" => self.default,
            "$Latest" => self.latest_kept(),
            number => number.parse().ok()?,
        };
        self.versions.contains_key(&number).then_some(number)
    }

    fn latest_kept(&self) -> i64 {
        self.versions.keys().next_back().copied().unwrap_or(self.latest)
    }

    fn write_version(&self, view: &View<'_>, number: i64, version: &TemplateVersion) -> Value {
        json!({
            "launchTemplateId": self.id,
            "launchTemplateName": self.name,
            "versionNumber": number,
            "versionDescription": version.description,
            "createTime": version.created.iso(),
            "createdBy": self.write(view)["createdBy"],
            "defaultVersion": number == self.default,
            "launchTemplateData": data::write(&version.data),
        })
    }
}

/// The template that an id or a name stands for.
pub(crate) fn named<'a>(
    ec2: &'a Ec2,
    id: Option<&str>,
    name: Option<&str>,
) -> Result<&'a LaunchTemplate, Failure> {
    match (id, name) {
        (Some(id), None) => {
            ec2.launch_templates.get(id).ok_or_else(|| resource::not_found::<LaunchTemplate>(id))
        }
        (None, Some(name)) => {
            let found = ec2.launch_templates.values().find(|template| template.name == name);
            found.ok_or_else(|| no_such_name(name))
        }
        (None, None) => {
            let message = "Either a launch template ID or a launch template name must be specified";
            Err(Failure::new("MissingParameter", message))
        }
        (Some(_), Some(_)) => {
            let message = "Only one of launch template ID and name may be specified";
            Err(Failure::new("InvalidParameterCombination", message))
        }
    }
}

fn no_such_name(name: &str) -> Failure {
    let message = format!(
        "At least one of the launch templates specified in the request does not exist: {name}"
    );
    Failure::new("InvalidLaunchTemplateName.NotFoundException", message)
}

fn no_such_version(version: &str) -> Failure {
    let message = format!("Could not find launch template version {version}");
    Failure::new("InvalidLaunchTemplateId.VersionNotFound", message)
}

fn asked<'a>(ec2: &'a Ec2, params: &Params) -> Result<&'a LaunchTemplate, Failure> {
    named(ec2, params.text("LaunchTemplateId"), params.text("LaunchTemplateName"))
}

fn asked_mut<'a>(ec2: &'a mut Ec2, params: &Params) -> Result<&'a mut LaunchTemplate, Failure> {
    let id = asked(ec2, params)?.id.clone();
    ec2.launch_templates.get_mut(&id).ok_or_else(|| resource::not_found::<LaunchTemplate>(&id))
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    token::once(cx, "CreateLaunchTemplate", params, make)
}

fn make(cx: &mut Cx<'_>, params: &Params) -> Result<Value, Failure> {
    let tags = tags::given(params, LaunchTemplate::TYPE)?;
    let name = params.required("LaunchTemplateName");
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "()./_-".contains(letter);
    if !(3..=128).contains(&name.chars().count()) || !name.chars().all(allowed) {
        let message = format!("The launch template name '{name}' is not valid");
        return Err(Failure::new("InvalidLaunchTemplateName.MalformedException", message));
    }
    let data = params.get("LaunchTemplateData").cloned().unwrap_or_default();
    data::check(cx.ec2(), &data)?;
    if cx.ec2().launch_templates.values().any(|template| template.name == name) {
        let message = "Launch template name already in use.";
        return Err(Failure::new("InvalidLaunchTemplateName.AlreadyExistsException", message));
    }
    dry_run(params)?;
    let version = TemplateVersion {
        created: cx.now,
        description: params.text("VersionDescription").map(str::to_owned),
        data,
    };
    let template = LaunchTemplate {
        id: cx.new_id("lt"),
        name: name.to_owned(),
        created: cx.now,
        default: 1,
        latest: 1,
        versions: BTreeMap::from([(1, version)]),
        tags,
    };
    let answer = json!({ "launchTemplate": template.write(&cx.view()) });
    cx.ec2().launch_templates.insert(template.id.clone(), template);
    Ok(answer)
}

pub(super) fn create_version(cx: &mut Cx<'_>, params: &Params) -> Answer {
    token::once(cx, "CreateLaunchTemplateVersion", params, make_version)
}

fn make_version(cx: &mut Cx<'_>, params: &Params) -> Result<Value, Failure> {
    let mut data = params.get("LaunchTemplateData").cloned().unwrap_or_default();
    data::check(cx.ec2(), &data)?;
    let now = cx.now;
    let template = asked(cx.ec2(), params)?;
    if let Some(source) = params.text("SourceVersion") {
        let number = template.resolve(source).ok_or_else(|| no_such_version(source))?;
        let mut whole = template.versions.get(&number).map(|v| v.data.clone()).unwrap_or_default();
        // What the request says replaces the source's members one by one.
        if let (Some(members), Some(given)) = (whole.as_object_mut(), data.as_object()) {
            members.extend(given.clone());
            data = whole;
        }
    }
    dry_run(params)?;
    let description = params.text("VersionDescription").map(str::to_owned);
    let version = TemplateVersion { created: now, description, data };
    let template = asked_mut(cx.ec2(), params)?;
    template.latest += 1;
    let number = template.latest;
    template.versions.insert(number, version.clone());
    let template = template.clone();
    let written = template.write_version(&cx.view(), number, &version);
    Ok(json!({ "launchTemplateVersion": written }))
}

pub(super) fn describe_all(view: &View<'_>, params: &Params) -> Answer {
    const LISTING: Listing =
        Listing { ids: "LaunchTemplateIds", filters: "Filters", set: "launchTemplates" };
    let names = params.texts("LaunchTemplateNames");
    let all = &view.ec2().launch_templates;
    let missing = names.iter().find(|name| all.values().all(|template| template.name != **name));
    if let Some(name) = missing {
        return Err(no_such_name(name));
    }
    let mut found = resource::selected::<LaunchTemplate>(view, params, &LISTING)?;
    found.retain(|template| names.is_empty() || names.contains(&template.name.as_str()));
    let page = page::of(view, params, found, |template| template.id.clone())?;
    let items: Vec<Value> = page.items.iter().map(|template| template.write(view)).collect();
    Ok(json!({ "launchTemplates": items, "nextToken": page.next }).into())
}

/// A version together with its template.
type Versioned<'a> = (&'a LaunchTemplate, i64, &'a TemplateVersion);

pub(super) fn describe_versions(view: &View<'_>, params: &Params) -> Answer {
    dry_run(params)?;
    if !params.list("Filters").is_empty() {
        let message = "The sandbox does not model filters of launch template versions.";
        return Err(Failure::new("InvalidParameterValue", message));
    }
    let versions = params.texts("Versions");
    let by_name = params.text("LaunchTemplateName").is_some();
    let found: Vec<Versioned<'_>> = if params.text("LaunchTemplateId").is_some() || by_name {
        of_one(asked(view.ec2(), params)?, &versions, params)?
    } else {
        // Over all templates, only these two can be asked for.
        if versions.is_empty() || versions.iter().any(|v| !matches!(*v, "$Latest" | "$Default")) {
            let message = "A launch template must be specified with these versions.";
            return Err(Failure::new("InvalidParameterCombination", message));
        }
        let all = view.ec2().launch_templates.values();
        let each = all.map(|template| of_one(template, &versions, params));
        each.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect()
    };
    let page = page::of(view, params, found, |(template, number, _)| {
        // The highest number comes first, and pages are cut in ascending order.
        format!("{}/{:020}", template.id, i64::MAX - number)
    })?;
    let write = |(template, number, version): &Versioned<'_>| {
        template.write_version(view, *number, version)
    };
    let items: Vec<Value> = page.items.iter().map(write).collect();
    Ok(json!({ "launchTemplateVersionSet": items, "nextToken": page.next }).into())
}

fn of_one<'a>(
    template: &'a LaunchTemplate,
    versions: &[&str],
    params: &Params,
) -> Result<Vec<Versioned<'a>>, Failure> {
    let mut numbers = Vec::new();
    for version in versions {
        numbers.push(template.resolve(version).ok_or_else(|| no_such_version(version))?);
    }
    let limit = |member: &str| params.text(member).and_then(|text| text.parse::<i64>().ok());
    let (min, max) = (limit("MinVersion"), limit("MaxVersion"));
    let wanted = |number: i64| {
        (versions.is_empty() || numbers.contains(&number))
            && min.is_none_or(|min| number >= min)
            && max.is_none_or(|max| number <= max)
    };
    let found = template.versions.iter().rev().filter(|(number, _)| wanted(**number));
    Ok(found.map(|(number, version)| (template, *number, version)).collect())
}

pub(super) fn modify(cx: &mut Cx<'_>, params: &Params) -> Answer {
    token::once(cx, "ModifyLaunchTemplate", params, change)
}

fn change(cx: &mut Cx<'_>, params: &Params) -> Result<Value, Failure> {
    let template = asked(cx.ec2(), params)?;
    let number = match params.text("DefaultVersion") {
        Some(version) => template.resolve(version).ok_or_else(|| no_such_version(version))?,
        None => template.default,
    };
    dry_run(params)?;
    let template = asked_mut(cx.ec2(), params)?;
    template.default = number;
    let template = template.clone();
    Ok(json!({ "launchTemplate": template.write(&cx.view()) }))
}

/// Goes even while a node group is made from it.
pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let template = asked(cx.ec2(), params)?.clone();
    dry_run(params)?;
    cx.ec2().launch_templates.remove(&template.id);
    Ok(json!({ "launchTemplate": template.write(&cx.view()) }).into())
}
