package project

import "time"

// Defaults of a project file.
const (
	DefaultDelay         = 2 * time.Hour
	DefaultMaxOverdue    = 6 * time.Hour
	DefaultActionTimeout = 10 * time.Minute
	DefaultProbeInterval = 10 * time.Second
	DefaultProbeTimeout  = 5 * time.Second
	DefaultFailures      = 3
)

// Project is one parsed and validated project file, defaults filled in.
type Project struct {
	Name    string      // as Safe allows
	Lane    string      // as Safe allows; Name unless set
	Version VersionRule // how a merge without a version gets one
	Publish *Action     // nil: the artifact is not published before promotion
	Stage   *Stage      // nil: nothing is deployed; the soak starts when the lane is free
	Soak    Soak
	Watch   []Check // names are unique
	Promote *Action // nil: promotion is only recorded
}

// VersionRule says where a version comes from when the merge event has none.
type VersionRule string

// The rules.
const (
	FromArtifact VersionRule = "from-artifact"
	NextPatch    VersionRule = "next-patch"
)

// Action names one driver and its settings: exactly one of the pointers is set.
type Action struct {
	NPM     *NPM
	Files   *Files
	Exec    *Exec
	Timeout time.Duration // bound of one attempt
}

// NPM publishes to and promotes on an npm registry.
type NPM struct {
	Registry  string  // base URL; promote takes that of publish; the driver refuses to work without
	Package   string  // the package name, with scope; from the artifact when empty
	Tag       string  // the dist-tag to move: beta (publish), latest (promote) unless set
	Mode      NPMMode // republish unless set
	Access    string  // who may read a new package with a scope: public or restricted; the registry decides when empty
	TokenEnv  string  // name of the environment variable that holds the token; or
	TokenFile string  // path of the file that holds it
}

// NPMMode says how one package becomes a beta and then a release.
type NPMMode string

// The modes. Retag publishes x.y.z once and moves tags; Republish publishes x.y.z-beta.N and later x.y.z, alike but for the version.
const (
	Retag     NPMMode = "retag"
	Republish NPMMode = "republish"
)

// Files is a directory of immutable artifacts by digest, with a file per channel.
type Files struct {
	Dir     string // absolute, or relative to where the service runs
	Channel string // beta (publish), staging (stage), latest (promote) unless set
}

// Exec runs a command: no shell, the release's facts in its environment.
type Exec struct {
	Command []string
	Env     map[string]string // literal additions to the environment; secrets go by EnvFrom
	EnvFrom []string          // names of the service's own environment variables that the command may see
	Dir     string            // working directory
}

// Stage is the deployment to staging and what happens to it after a cancel.
type Stage struct {
	Action
	OnCancel OnCancel
}

// OnCancel says what happens to staging and the beta channel when a release ends without promotion.
type OnCancel string

// Restore puts back what was there before; Leave touches nothing.
const (
	Restore OnCancel = "restore"
	Leave   OnCancel = "leave"
)

// Soak is the delay between staging and promotion.
type Soak struct {
	Delay      time.Duration // 0 disables the soak
	Collision  Collision
	MaxOverdue time.Duration // a release overdue by more is held for a human
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

// Check is one thing that the watcher watches while a release soaks: exactly one of the pointers is set.
type Check struct {
	Name     string
	Signal   *Signal
	HTTP     *HTTP
	Exec     *Exec
	Interval time.Duration // between two probes; 10 s unless set; 0 for signal
	Timeout  time.Duration // of one probe; 5 s unless set; 0 for signal
	Failures int           // consecutive failures that make the check fail; 3 unless set; 1 for signal
	Grace    time.Duration // failures in the first Grace of the soak do not count
}

// Signal counts the messages on sluice.signal.<project> and sluice.signal.<project>.<release> since the soak began.
type Signal struct {
	Max int // more than this many fail the check
}

// HTTP probes a URL.
type HTTP struct {
	URL    string
	Status int // the status that passes; any 2xx when 0
}
