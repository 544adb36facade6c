package exec

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// mostValue bounds one variable, in bytes. Linux refuses 128 KiB with an error that does not say which.
const mostValue = 32 << 10

// runVar marks a run: its processes are found by it.
const runVar = "SLUICE_RUN"

// reserved begins the names of the variables that only Sluice sets.
const reserved = "SLUICE_"

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// inherited tells whether a variable of the service is one that every program needs.
func inherited(name string) bool {
	switch name {
	case "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR":
		return true
	default:
		return strings.HasPrefix(name, "LC_")
	}
}

// Var is a variable for a command.
type Var struct{ Name, Value string }

// Vars are the facts of a release as the command gets them, but for SLUICE_ARTIFACT_PATH.
func Vars(action string, f driver.Facts) []Var {
	return []Var{
		{"SLUICE_ACTION", action},
		{"SLUICE_RELEASE", f.Release},
		{"SLUICE_PROJECT", f.Project},
		{"SLUICE_STAGE", f.Stage},
		{"SLUICE_VERSION", f.Version},
		{"SLUICE_BETA", f.Beta},
		{"SLUICE_COMMIT", f.Commit},
		{"SLUICE_REF", f.Ref},
		{"SLUICE_URL", f.URL},
		{"SLUICE_ACTOR", f.Actor},
		{"SLUICE_ARTIFACT", f.Artifact.Name},
		{"SLUICE_DIGEST", f.Artifact.Digest},
		{"SLUICE_ATTEMPT", strconv.Itoa(f.Attempt)},
		{"SLUICE_IDEMPOTENCY_KEY", f.Key() + "-" + action},
	}
}

// restoreVars are the facts of going back from f to an earlier release; nil when there was none.
func restoreVars(f driver.Facts, earlier *driver.Facts) []Var {
	to := driver.Facts{}
	if earlier != nil {
		to = *earlier
	}
	to.Project, to.Stage, to.Attempt = f.Project, f.Stage, f.Attempt
	vars := Vars(restore, to)
	vars = slices.DeleteFunc(vars, func(v Var) bool { return v.Name == "SLUICE_IDEMPOTENCY_KEY" })
	return append(vars,
		Var{"SLUICE_IDEMPOTENCY_KEY", f.Key() + "-" + restore},
		Var{"SLUICE_UNDO_RELEASE", f.Release},
		Var{"SLUICE_UNDO_VERSION", f.Version},
		Var{"SLUICE_UNDO_BETA", f.Beta},
		Var{"SLUICE_UNDO_DIGEST", f.Artifact.Digest},
	)
}

// checkVars refuses values that no environment can carry.
func checkVars(vars []Var) error {
	for _, v := range vars {
		switch {
		case len(v.Value) > mostValue:
			return driver.Refusef("%s is %d bytes long, at most %d reach a command: %s", v.Name, len(v.Value), mostValue, driver.Quote(v.Value))
		case strings.ContainsRune(v.Value, 0):
			return driver.Refusef("%s has a NUL, which no environment can carry: %s", v.Name, driver.Quote(v.Value))
		}
	}
	return nil
}

// checkSettings refuses a project file's command that can never run.
func checkSettings(c project.Exec) error {
	if !supported {
		return driver.Refusef("exec: on this system a command could not be stopped with its children")
	}
	if len(c.Command) == 0 || c.Command[0] == "" {
		return driver.Refusef("exec: no command is given")
	}
	for _, word := range c.Command {
		if strings.ContainsRune(word, 0) {
			return driver.Refusef("exec: the command has a NUL: %s", driver.Quote(word))
		}
	}
	var vars []Var
	for name, value := range c.Env {
		vars = append(vars, Var{name, value})
	}
	for _, name := range c.EnvFrom {
		vars = append(vars, Var{Name: name})
	}
	for _, v := range vars {
		if !variable.MatchString(v.Name) || strings.HasPrefix(v.Name, reserved) {
			return driver.Refusef("exec: %s can not be the name of a variable: letters, digits and \"_\", and not %s…", driver.Quote(v.Name), reserved)
		}
	}
	return checkVars(vars)
}

// environ is the whole environment of the command, and the values in it that are secret.
func environ(c project.Exec, vars []Var) (env, secrets []string, err error) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); inherited(name) {
			env = append(env, entry)
		}
	}
	for name, value := range c.Env {
		env = append(env, name+"="+value)
	}
	for _, name := range c.EnvFrom {
		value, ok := os.LookupEnv(name)
		if !ok {
			return nil, nil, driver.Refusef("exec: environment variable %s is named in env_from and not set for this service", name)
		}
		env = append(env, name+"="+value)
		secrets = append(secrets, value)
	}
	if err := checkVars(vars); err != nil {
		return nil, nil, err
	}
	for _, v := range vars {
		env = append(env, v.Name+"="+v.Value)
	}
	return env, secrets, nil
}
