package project

import (
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/window"
)

// Defaults of a project file.
const (
	DefaultDelay         = 2 * time.Hour
	DefaultMaxOverdue    = 6 * time.Hour
	DefaultActionTimeout = 10 * time.Minute
	DefaultProbeInterval = 10 * time.Second
	DefaultProbeTimeout  = 5 * time.Second
	DefaultFailures      = 3

	DefaultSupersedeLimit = 3
	DefaultMaxWait        = 24 * time.Hour
	DefaultCoverage       = 90
	DefaultPhase          = time.Hour
	DefaultHold           = 7 * 24 * time.Hour
)

// OnlyStage is the name of the stage of a file that does not list its stages.
const OnlyStage = "staging"

// Project is one parsed and validated project file, defaults filled in.
type Project struct {
	Name    string      // as Safe allows
	Lane    string      // as Safe allows; Name unless set
	Version VersionRule // how a merge without a version gets one
	Order   Order       // which of two releases is newer
	Reasons bool        // people must say why they cancel, hold, expedite, roll back, pause or freeze
	Needs   []Need      // each names another project, once
	Publish *Action     // nil: the artifact is not published before promotion
	Stages  []Stage     // what a release goes through, in order; at least one; names are unique
	Soak    Soak
	Windows window.Schedule // when a release may be promoted
	Promote *Action         // nil: promotion is only recorded
	Bake    *Bake           // nil: a promoted release is not watched
	Limits  Limits
	Notify  []Notify // who is told what becomes of its releases; names are unique
}

// The rules for reasons. They hold for the programs that people use: the broker stores a request without a reason all the same, and it
// counts.
const (
	reasonsOptional = "optional"
	reasonsRequired = "required"
)

// VersionRule says where a version comes from when the merge event has none.
type VersionRule string

// The rules.
const (
	FromArtifact VersionRule = "from-artifact"
	NextPatch    VersionRule = "next-patch"
)

// Order says which of two releases of a project is newer. Channels only move forward.
type Order string

// The orders.
const (
	BySemver Order = "semver" // the one with the greater version
	ByMerge  Order = "merge"  // the one that was merged later
)

// Need is a release of another project that must be promoted, at this version or a newer one, before a release of this
// project is.
type Need struct {
	Project string // as Safe allows
	Version string // a semantic version
}

// Action names one driver and its settings: exactly one of the pointers is set.
type Action struct {
	NPM              *NPM
	OCI              *OCI
	Files            *Files
	Exec             *Exec
	HTTP             *Request
	CircleCI         *CircleCI
	GitHub           *GitHub
	GitLab           *GitLab
	Git              *Git
	Release          *GitHubRelease
	AWSLambda        *AWSLambda
	AWSStepFunctions *AWSStepFunctions
	AWSCodeBuild     *AWSCodeBuild
	AWSCodePipeline  *AWSCodePipeline
	AWSS3            *AWSS3
	Timeout          time.Duration // bound of one attempt
}

// NPM publishes to and promotes on an npm registry.
type NPM struct {
	Registry  string  // base URL; promote takes that of publish; the driver refuses to work without
	Package   string  // the package name, with scope; from the artifact when empty
	Tag       string  // the dist-tag to move: beta (publish), latest (promote) unless set
	Mode      NPMMode // republish unless set
	Access    string  // who may read a new package with a scope: public or restricted; the registry decides when empty
	TokenEnv  string  // name of the environment variable that holds the token; or
	TokenFile string  // path of the file that holds it; or
	NPMRC     string  // path of npm's settings, with credentials, and with the registry when Registry is empty
}

// NPMMode says how one package becomes a beta and then a release.
type NPMMode string

// The modes. Retag publishes x.y.z once and moves tags; Republish publishes x.y.z-beta.N and later x.y.z, alike but for the version. Staged
// is Republish, but that x.y.z is staged, for a maintainer to approve.
const (
	Retag     NPMMode = "retag"
	Republish NPMMode = "republish"
	Staged    NPMMode = "staged"
)

// DefaultFrom is how betas are tagged unless the file says otherwise.
const DefaultFrom = "{{version}}-beta"

// OCI publishes to and promotes on an OCI registry: images, indexes of images, Helm charts.
type OCI struct {
	Image     string // the repository that CI pushes to, registry.example/team/app; promote takes that of publish
	From      string // the tag of a beta, with {{version}}; DefaultFrom (publish), that of publish (promote) unless set
	Tag       string // the tag to move: beta (publish), latest (promote) unless set
	To        string // the repository that promote copies to; that of Image when empty
	Username  string // of whom the token is the password; a token without is the registry's own
	TokenEnv  string // name of the environment variable that holds the token; or
	TokenFile string // path of the file that holds it; without either, docker's configuration is asked
	Insecure  bool   // plain HTTP is allowed to other machines too
}

// Files is a directory of immutable artifacts by digest, with a file per channel.
type Files struct {
	Dir     string // absolute, or relative to where the service runs
	Channel string // beta (publish), the stage's name, latest (promote) unless set
}

// Exec runs a command: no shell, the release's facts in its environment.
type Exec struct {
	Command []string
	Env     map[string]string // literal additions to the environment; secrets go by EnvFrom
	EnvFrom []string          // names of the service's own environment variables that the command may see
	Dir     string            // working directory
}

// Stage is one stage that a release goes through before it is promoted: it is deployed there, soaks while it is watched,
// and leaves when enough people approved.
type Stage struct {
	Name      string  // as Safe allows
	Action    *Action // nil: nothing is deployed; the soak starts when the stage is free
	OnCancel  OnCancel
	Delay     time.Duration // of the soak; 0 disables it
	Watch     []Check       // while it soaks; names are unique in the stage
	Approvals int           // distinct people who must approve before the release leaves the stage; 0 to 16
}

// OnCancel says what happens to the stage and the beta channel when a release ends without promotion.
type OnCancel string

// Restore puts back what was there before; Leave touches nothing.
const (
	Restore OnCancel = "restore"
	Leave   OnCancel = "leave"
)

// Soak is what holds for the soaks of all stages.
type Soak struct {
	Collision      Collision
	MaxOverdue     time.Duration // a release overdue by more is held for a human
	SupersedeLimit int           // with Supersede: after so many in a row were superseded, the next one finishes; 1 to 100
	Coverage       int           // how much of each soak must have been watched, in percent; DefaultCoverage unless set
	OnGap          OnGap         // what becomes of a release of whose soak less was watched
	MaxWait        time.Duration // with Supersede: nor does it keep the project from a release for longer than this
}

// Collision says what happens to a release whose lane is occupied.
type Collision string

// The policies.
const (
	Newest    Collision = "newest"    // the occupant finishes; of those waiting only the newest stays
	Queue     Collision = "queue"     // all wait, in order
	Supersede Collision = "supersede" // the occupant is cancelled
	Reject    Collision = "reject"    // the newcomer is refused
)

// OnGap says what becomes of a release of whose soak too little was watched.
type OnGap string

// The policies for gaps.
const (
	HoldOnGap   OnGap = "hold"   // the default: it is held for a person
	ExtendOnGap OnGap = "extend" // it soaks on for what is missing, until that adds up to max_overdue; then it is held
)

// Bake is the time after promotion in which production is watched. A check that fails rolls the release back.
type Bake struct {
	For   time.Duration // above 0, at most MaxDelay
	Watch []Check       // at least one; names are unique here
}

// Limits bounds how long a release may stay where it is before it fails.
type Limits struct {
	Phase time.Duration // in a phase in which a service works; 1 h, or the longest timeout of an action if that is more, unless set
	Hold  time.Duration // held, or waiting for people; 168 h unless set
}

// Check is one thing that the watcher watches while a release soaks or bakes: exactly one of the pointers is set.
type Check struct {
	Name     string
	Signal   *Signal
	HTTP     *HTTP
	Exec     *Exec
	Metric   *Metric
	Alert    *Alert
	Interval time.Duration // between two probes; 10 s unless set, for CloudWatch a minute or its period; 0 for signal and alert
	Timeout  time.Duration // of one probe; 5 s unless set, for CloudWatch 30 s; 0 for signal and alert
	Failures int           // failures that make the check fail; 3 unless set; 1 for signal, alert, a comparison and CloudWatch's logs
	Of       int           // they are counted among so many looks, the last ones; 0: in a row
	Grace    time.Duration // failures in the first Grace of the soak or bake do not count

	Warns        bool   // severity: warn. A failure is told, and nothing follows from it, nor from having no data
	Link         string // where to look when it fails, a dashboard or a runbook; empty: nowhere
	RequireHuman bool   // a failure holds the release for a person to decide, in the place of cancelling it; not for a bake
}

// The severities of a check.
const (
	severityError = "error"
	severityWarn  = "warn"
)

// Accountable tells whether people must say why they do this where a project file has `reasons: required`.
func Accountable(verb string) bool {
	return slices.Contains([]string{"cancel", "expedite", "hold", "rollback", "pause", "freeze"}, verb)
}
