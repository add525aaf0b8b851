//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;

/// Deploys Coder on AWS from one YAML file, without a state file.
#[derive(Debug, Parser)]
#[command(
    name = "coderctl",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Try it without an AWS account: coderctl apply -f examples/sr-simple.yaml --sandbox --yes"
)]
pub struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The spec; several are laid over each other in order, `-` is standard input
    /// [default: coderctl.yaml]
    #[arg(short, long = "file", global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Sets one value on top of all files: network.nat.mode=single
    #[arg(long, global = true, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// The profile of the AWS config file to take credentials from
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// The role to assume first, instead of the spec's assume_role
    #[arg(long, global = true, value_name = "ARN")]
    pub assume_role: Option<String>,
    /// Another endpoint for every AWS service
    #[arg(long, global = true, value_name = "URL", value_hint = ValueHint::Url)]
    pub endpoint_url: Option<String>,
    /// The embedded AWS and cluster instead of the real ones; its state is kept in FILE
    #[arg(long, global = true, value_name = "FILE", num_args = 0..=1, require_equals = true,
          default_missing_value = "@", value_hint = ValueHint::FilePath)]
    pub sandbox: Option<PathBuf>,
    /// The cluster for Kubernetes objects
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig [default: its current one]
    #[arg(long, global = true, value_name = "NAME", requires = "kubeconfig")]
    pub context: Option<String>,
    /// How results are written to standard output
    #[arg(long, global = true, value_enum, default_value_t = Output::Human)]
    pub output: Output,
    /// Also writes events and results to FILE, one JSON object a line
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub json_into: Option<PathBuf>,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// How progress is shown on standard error
    #[arg(long, global = true, value_enum, default_value_t = ProgressMode::Auto)]
    pub progress: ProgressMode,
    /// Says more: -v shows what is folded away, -vv logs calls to standard error
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Human,
    /// For programs.
    Json,
    /// For pull requests.
    Markdown,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// A live view on a terminal, lines elsewhere.
    Auto,
    /// A live view.
    Bar,
    /// A line for everything that happens.
    Lines,
    /// Nothing.
    None,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Asks a few questions and writes a spec with comments
    Init(InitArgs),
    /// Checks the spec without AWS
    Validate,
    /// Shows what would change between the spec and what is live
    Plan(PlanArgs),
    /// Makes it so
    Apply(ApplyArgs),
    /// Removes everything of the deployment
    Destroy(DestroyArgs),
    /// Shows the values that a deployment gives to others
    Outputs(OutputsArgs),
    /// Shows what is live and healthy, at a glance
    Status(StatusArgs),
    /// Writes the Kubernetes manifests that the spec makes, without any cluster
    Render(RenderArgs),
    /// Writes a kubeconfig for the deployment's cluster
    Kubeconfig(KubeconfigArgs),
    /// Explains a section of the spec, or what stands behind an address
    Explain(ExplainArgs),
    /// Takes over a resource that was made by other means
    Adopt(AdoptArgs),
    /// Exchanges a secret of the deployment for a fresh one
    Rotate(RotateArgs),
    /// Shows or releases the deployment's lock
    Lock(LockArgs),
    /// Lists past runs, or shows one
    Runs(RunsArgs),
    /// Lists the patterns that the program carries, or shows one
    Pattern(PatternArgs),
    /// Writes the JSON Schema of the spec, or its reference page
    Schema(SchemaArgs),
    /// Serves or resets the embedded AWS
    #[cfg(feature = "sandbox")]
    Sandbox(SandboxArgs),
    /// Writes a completion script
    Completions {
        /// For which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Shows the version
    Version,
}

/// Options of `init`.
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// Where to write it
    #[arg(long, value_name = "FILE", default_value = "coderctl.yaml", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
    /// The pattern that it overrides
    #[arg(long, value_name = "NAME", default_value = "sr-simple")]
    pub pattern: String,
    /// The project's name [default: coder]
    #[arg(long, value_name = "NAME")]
    pub project_name: Option<String>,
    /// The environment's name [default: prod]
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Who answers for the deployment
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// The AWS account
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// The region [default: us-east-1]
    #[arg(long, value_name = "REGION")]
    pub home_region: Option<String>,
    /// The domain below which Coder stands
    #[arg(long, value_name = "DOMAIN")]
    pub base_domain: Option<String>,
    /// The e-mail address of Coder's first user
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
}

/// What a plan is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct Selection {
    /// Only this address and what it needs; `network/subnet/*` works too
    #[arg(long, value_name = "ADDRESS")]
    pub target: Vec<String>,
    /// All but this address and what needs it
    #[arg(long, value_name = "ADDRESS")]
    pub exclude: Vec<String>,
    /// Consents to replacing or deleting what holds data
    #[arg(long, value_name = "ADDRESS")]
    pub allow_delete: Vec<String>,
    /// Sets back values that somebody else changed
    #[arg(long)]
    pub overwrite_drift: bool,
}

/// Options of `plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// What the plan is about
    #[command(flatten)]
    pub selection: Selection,
    /// Plans the removal of everything
    #[arg(long)]
    pub destroy: bool,
    /// Writes the plan to FILE, for `coderctl apply FILE`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// Exits with 2 when there are changes, with 3 when there is only drift
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// Options of `apply`.
#[derive(Clone, Debug, Args)]
pub struct ApplyArgs {
    /// A plan that `plan --out` wrote; without it, a new plan is made
    #[arg(value_name = "PLAN", value_hint = ValueHint::FilePath)]
    pub plan: Option<PathBuf>,
    /// What the plan is about
    #[command(flatten)]
    pub selection: Selection,
    /// Does not ask; for a saved plan that destroys, with --confirm
    #[arg(short, long)]
    pub yes: bool,
    /// With a saved plan that destroys: the deployment's name, instead of typing it
    #[arg(long, value_name = "NAME", requires = "plan")]
    pub confirm: Option<String>,
}

/// Options of `destroy`.
#[derive(Clone, Debug, Args)]
pub struct DestroyArgs {
    /// Only this address and what lives in it
    #[arg(long, value_name = "ADDRESS")]
    pub target: Vec<String>,
    /// All but this address and what it lives in
    #[arg(long, value_name = "ADDRESS")]
    pub exclude: Vec<String>,
    /// Consents to deleting what others made in it: `workspaces`, `volumes`, `load-balancers`, or
    /// an address
    #[arg(long, value_name = "ADDRESS")]
    pub allow_delete: Vec<String>,
    /// Does not ask; needs --confirm
    #[arg(short, long, requires = "confirm")]
    pub yes: bool,
    /// The deployment's name, instead of typing it
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Destroys the deployment of this name without a spec
    #[arg(long, value_name = "NAME", conflicts_with = "files", requires = "home_region")]
    pub deployment: Option<String>,
    /// With --deployment: the region where its record is
    #[arg(long, value_name = "REGION")]
    pub home_region: Option<String>,
}

/// Options of `outputs`.
#[derive(Clone, Debug, Args)]
pub struct OutputsArgs {
    /// Only this one
    pub name: Option<String>,
    /// Its value and nothing else
    #[arg(long, requires = "name")]
    pub raw: bool,
}

/// Options of `status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// The same as --output json
    #[arg(long)]
    pub json: bool,
}

/// Options of `render`.
#[derive(Clone, Debug, Args)]
pub struct RenderArgs {
    /// Writes one file an object into DIR, instead of one stream to standard output
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
}

/// Options of `kubeconfig`.
#[derive(Clone, Debug, Args)]
pub struct KubeconfigArgs {
    /// Writes it to FILE, which only its owner may read, instead of to standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// Replaces FILE even if this command did not write it
    #[arg(long, requires = "out")]
    pub force: bool,
}

/// Options of `explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// A section (`network`), or an address (`us-east-1/network/vpc`)
    pub what: String,
}

/// Options of `adopt`.
#[derive(Clone, Debug, Args)]
pub struct AdoptArgs {
    /// The address that the resource gets
    pub address: String,
    /// Its id: vpc-0abc, or a name where names are ids
    pub id: String,
    /// Does not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// Options of `rotate`.
#[derive(Clone, Debug, Args)]
pub struct RotateArgs {
    /// Which
    #[command(subcommand)]
    pub what: RotateWhat,
}

/// What can be rotated.
#[derive(Clone, Debug, Subcommand)]
pub enum RotateWhat {
    /// The password of the database's user; Coder is started anew with it
    DbPassword {
        /// Does not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// Options of `lock`.
#[derive(Clone, Debug, Args)]
pub struct LockArgs {
    /// What to do with it
    #[command(subcommand)]
    pub action: Option<LockAction>,
}

/// What to do with the lock.
#[derive(Clone, Debug, Subcommand)]
pub enum LockAction {
    /// Shows who holds it
    Status,
    /// Takes it away from its holder, who will do nothing more
    Release {
        /// The run that holds it, as `lock status` shows it
        #[arg(long, value_name = "RUN")]
        run: String,
    },
}

/// Options of `runs`.
#[derive(Clone, Debug, Args)]
pub struct RunsArgs {
    /// The run to show
    pub run: Option<String>,
    /// List all, not only the newest 20
    #[arg(long, conflicts_with = "run")]
    pub all: bool,
}

/// Options of `pattern`.
#[derive(Clone, Debug, Args)]
pub struct PatternArgs {
    /// What to do
    #[command(subcommand)]
    pub action: PatternAction,
}

/// What to do with patterns.
#[derive(Clone, Debug, Subcommand)]
pub enum PatternAction {
    /// Lists them
    List,
    /// Writes one out, as a start for one's own
    Show {
        /// Which
        name: String,
    },
}

/// Options of `schema`.
#[derive(Clone, Debug, Args)]
pub struct SchemaArgs {
    /// As what
    #[arg(long, value_enum, default_value_t = SchemaFormat::Json)]
    pub format: SchemaFormat,
}

/// How the schema is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaFormat {
    /// JSON Schema, for editors.
    Json,
    /// The reference page.
    Markdown,
}

/// Options of `sandbox`.
#[cfg(feature = "sandbox")]
#[derive(Clone, Debug, Args)]
pub struct SandboxArgs {
    /// What to do
    #[command(subcommand)]
    pub action: SandboxAction,
}

/// What to do with the sandbox.
#[cfg(feature = "sandbox")]
#[derive(Clone, Debug, Subcommand)]
pub enum SandboxAction {
    /// Serves it on loopback, for the AWS CLI and kubectl
    Serve(ServeArgs),
    /// Forgets everything in it
    Reset,
    /// Shows where its state is kept
    Path,
}

/// Options of `sandbox serve`.
#[cfg(feature = "sandbox")]
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The port for AWS
    #[arg(long, default_value_t = 5599)]
    pub port: u16,
    /// The port for Kubernetes
    #[arg(long, default_value_t = 5598)]
    pub kubernetes_port: u16,
    /// Where clients find that port, if something in front of it speaks TLS [default: itself]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub kubernetes_url: Option<String>,
    /// The certificate authority that clients are to trust there, as PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub kubernetes_ca: Option<PathBuf>,
    /// Virtual seconds a second
    #[arg(long, default_value_t = super::connect::SANDBOX_RATE, value_name = "N")]
    pub speed: u32,
}
