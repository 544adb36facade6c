package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

const (
	repository = "../.."
	theBroker  = "nats"
	theInit    = "init"
	theGateway = "gateway" // only with its profile
)

// loadCompose reads docker-compose.yml as `docker compose --profile '*'` does, with these variables.
func loadCompose(ctx context.Context, env map[string]string, options ...func(*loader.Options)) (*types.Project, error) {
	root, err := filepath.Abs(repository)
	if err != nil {
		return nil, err
	}
	return loader.LoadWithContext(ctx, types.ConfigDetails{
		WorkingDir:  root,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(root, "docker-compose.yml")}},
		Environment: env,
	}, append([]func(*loader.Options){loader.WithProfiles([]string{"*"})}, options...)...)
}

// secrets is what a user writes into .env.
func secrets() map[string]string {
	env := map[string]string{}
	for _, user := range accounts.Users() {
		env[accounts.PasswordEnv(user)] = "of" + user + "0123"
	}
	return env
}

func variable(t testing.TB, s types.ServiceConfig, name string) string {
	t.Helper()
	v := s.Environment[name]
	if v == nil {
		t.Fatalf("%s has no %s", s.Name, name)
	}
	return *v
}

// TestComposeFile holds the shape of docker-compose.yml to what its parts need of each other.
func TestComposeFile(t *testing.T) {
	p, err := loadCompose(t.Context(), secrets())
	if err != nil {
		t.Fatal(err)
	}
	want := append(all(), theBroker, theInit, theGateway)
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(p.Services)); !slices.Equal(got, want) {
		t.Errorf("services are %v, want %v", got, want)
	}
	if got := slices.Sorted(maps.Keys(p.Volumes)); !slices.Equal(got, []string{"files", "nats"}) {
		t.Errorf("volumes are %v", got)
	}
	t.Run("nats", func(t *testing.T) { composeBroker(t, p.Services[theBroker]) })
	t.Run("init", func(t *testing.T) {
		s := p.Services[theInit]
		if d := s.DependsOn[theBroker]; d.Condition != types.ServiceConditionHealthy {
			t.Errorf("it does not wait for the broker: %+v", s.DependsOn)
		}
		if s.Build == nil || s.Build.Dockerfile != "deploy/Dockerfile" || s.Build.Context != p.WorkingDir {
			t.Errorf("the image is not built here: %+v", s.Build)
		}
		composeUser(t, s, accounts.Admin)
	})
	for _, name := range all() {
		t.Run(name, func(t *testing.T) { composeService(t, p.Services[name], p.Services[theInit].Image) })
	}
	t.Run(theGateway, func(t *testing.T) { composeGateway(t, p.Services[theGateway], p.Services[theInit].Image) })
}

func composeBroker(t *testing.T, s types.ServiceConfig) {
	if want := "nats:" + natsServerVersion() + "-alpine"; s.Image != want {
		t.Errorf("image is %s, what is tested is %s", s.Image, want)
	}
	for _, port := range s.Ports {
		if port.HostIP != "127.0.0.1" || port.Published != "4222" || port.Target != 4222 {
			t.Errorf("it publishes %+v: without TLS only loopback may be", port)
		}
	}
	mounted := map[string]types.ServiceVolumeConfig{}
	for _, v := range s.Volumes {
		mounted[v.Target] = v
	}
	if d := mounted["/data"]; d.Type != types.VolumeTypeVolume || d.Source != "nats" || d.ReadOnly {
		t.Errorf("its data is not on a volume: %+v", d)
	}
	config := brokerConfig(t, s)
	for _, file := range []string{config, path.Join(path.Dir(config), "accounts.conf")} {
		if v := mounted[file]; !v.ReadOnly || v.Type != types.VolumeTypeBind {
			t.Errorf("%s is not mounted read-only", file)
		} else if _, err := os.Stat(v.Source); err != nil {
			t.Error(err)
		}
	}
	var users []string
	for _, user := range accounts.Users() {
		users = append(users, accounts.PasswordEnv(user))
		if got := variable(t, s, accounts.PasswordEnv(user)); got != secrets()[accounts.PasswordEnv(user)] {
			t.Errorf("the password of %s is %q", user, got)
		}
	}
	if len(s.Environment) != len(users) {
		t.Errorf("it gets %v, wants %v", s.Environment, users)
	}
	composeHealth(t, s)
	if got := s.HealthCheck.Test[len(s.HealthCheck.Test)-1]; got != "http://127.0.0.1:8222/healthz" {
		t.Errorf("its health is asked at %s", got)
	}
}

// brokerConfig is the configuration file that the broker is started with, as the container sees it.
func brokerConfig(t testing.TB, s types.ServiceConfig) string {
	t.Helper()
	if len(s.Command) != 2 || s.Command[0] != "--config" {
		t.Fatalf("the broker is started with %q", s.Command)
	}
	return s.Command[1]
}

func composeService(t *testing.T, s types.ServiceConfig, image string) {
	composeProgram(t, s, image)
	if len(s.Volumes) != 1 || s.Volumes[0].Source != "files" || s.Volumes[0].Target != "/files" {
		t.Errorf("volumes are %+v", s.Volumes)
	}
	if len(s.Ports) != 0 {
		t.Errorf("it publishes %+v", s.Ports)
	}
	if len(s.Profiles) != 0 {
		t.Errorf("it is started with profiles %v only", s.Profiles)
	}
}

// composeGateway is for the service that people reach, and that has a file of its own; whoever has no webhooks does without.
func composeGateway(t *testing.T, s types.ServiceConfig, image string) {
	composeProgram(t, s, image)
	if !slices.Equal(s.Profiles, []string{theGateway}) {
		t.Errorf("its profiles are %v", s.Profiles)
	}
	if len(s.Volumes) != 1 || s.Volumes[0].Type != types.VolumeTypeBind || !s.Volumes[0].ReadOnly ||
		s.Volumes[0].Target != variable(t, s, "SLUICE_GATEWAY_CONFIG") {
		t.Errorf("volumes are %+v", s.Volumes)
	}
	_, listens, err := net.SplitHostPort(variable(t, s, "SLUICE_GATEWAY_LISTEN"))
	if len(s.Ports) != 1 || err != nil || fmt.Sprint(s.Ports[0].Target) != listens || s.Ports[0].HostIP != "127.0.0.1" {
		t.Errorf("it listens on %s and publishes %+v: without TLS only loopback may be", listens, s.Ports)
	}
	// Every secret that the example names is handed on.
	example, err := os.ReadFile(filepath.Join(repository, "deploy/gateway.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^\s+(?:secret|token)_env: (\w+)`).FindAllStringSubmatch(string(example), -1)
	for _, m := range names {
		variable(t, s, m[1])
	}
	if len(names) != 16 {
		t.Errorf("the example names the secrets %v", names)
	}
	lists := regexp.MustCompile(`(?m)^\s+secrets: \[(\w+), (\w+)\]`).FindAllStringSubmatch(string(example), -1)
	if len(lists) != 1 {
		t.Fatalf("the example lets project files name the secrets %v", lists)
	}
	for _, name := range lists[0][1:] {
		variable(t, s, name)
	}
}

func composeProgram(t *testing.T, s types.ServiceConfig, image string) {
	t.Helper()
	if s.Image != image {
		t.Errorf("image is %s, what init builds is %s", s.Image, image)
	}
	if d := s.DependsOn[theInit]; d.Condition != types.ServiceConditionCompletedSuccessfully {
		t.Errorf("it does not wait for init: %+v", s.DependsOn)
	}
	if want := []string{"/bin/sluice-" + s.Name}; !slices.Equal(s.Command, want) {
		t.Errorf("command is %q, want %q", s.Command, want)
	}
	if s.Restart != types.RestartPolicyUnlessStopped {
		t.Errorf("restart is %q", s.Restart)
	}
	if got := variable(t, s, "SLUICE_INSTANCE"); got != s.Name+"-0" {
		t.Errorf("instance is %s: each must have one of its own, which survives a restart", got)
	}
	// Else the container is killed while its handlers still use the time that they are given.
	if s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < service.DrainGrace+5*time.Second {
		t.Errorf("it is killed %v after it was told to stop, and lets handlers finish for %v", s.StopGracePeriod, service.DrainGrace)
	}
	composeUser(t, s, s.Name)
	composeHealth(t, s)
	if want := []string{"CMD", s.Command[0], "--healthcheck"}; !slices.Equal(s.HealthCheck.Test, want) {
		t.Errorf("healthcheck is %q, want %q", s.HealthCheck.Test, want)
	}
}

func composeUser(t *testing.T, s types.ServiceConfig, user string) {
	t.Helper()
	if got := variable(t, s, "NATS_USER"); got != user {
		t.Errorf("it connects as %s, want %s", got, user)
	}
	if got := variable(t, s, "NATS_PASSWORD"); got != secrets()[accounts.PasswordEnv(user)] {
		t.Errorf("it connects with the password %q", got)
	}
	if got := variable(t, s, "NATS_URL"); got != "nats://"+theBroker+":4222" {
		t.Errorf("it connects to %s", got)
	}
}

func composeHealth(t *testing.T, s types.ServiceConfig) {
	t.Helper()
	h := s.HealthCheck
	if h == nil || h.Interval == nil || h.Timeout == nil || h.Retries == nil || h.StartPeriod == nil {
		t.Fatalf("its healthcheck is not complete: %+v", h)
	}
	if time.Duration(*h.Timeout) <= 3*time.Second { // what a service's own healthcheck gives itself
		t.Errorf("its healthcheck is given up after %v", h.Timeout)
	}
}

// TestComposeHoldsNoSecret: every secret comes from outside, and compose refuses to start while one is missing or empty.
func TestComposeHoldsNoSecret(t *testing.T) {
	raw, err := loadCompose(t.Context(), nil, func(o *loader.Options) { o.SkipInterpolation = true; o.SkipNormalization = true })
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile(filepath.Join(repository, "deploy/env.example"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range raw.Services {
		for name, value := range s.Environment {
			switch {
			case strings.HasSuffix(name, "_PASSWORD"):
				if !strings.HasPrefix(*value, "${SLUICE_") || !strings.HasSuffix(*value, "_PASSWORD:?}") {
					t.Errorf("%s: %s is %q", s.Name, name, *value)
				}
			case strings.Contains(name, "TOKEN") || strings.Contains(name, "SECRET"):
				if !strings.Contains(string(example), "\n"+name+"=\n") {
					t.Errorf("deploy/env.example does not ask for %s", name)
				}
				if *value != "${"+name+":-}" {
					t.Errorf("%s: %s is %q", s.Name, name, *value)
				}
			}
		}
	}
	for name := range secrets() {
		if !strings.Contains(string(example), "\n"+name+"=\n") {
			t.Errorf("deploy/env.example does not ask for %s", name)
		}
		missing, empty := secrets(), secrets()
		delete(missing, name)
		empty[name] = ""
		for what, env := range map[string]map[string]string{"missing": missing, "empty": empty} {
			if _, err := loadCompose(t.Context(), env); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s is %s, and compose says %v", name, what, err)
			}
		}
	}
}

// TestImage checks that the image has what compose starts, and builds it where a container engine runs.
func TestImage(t *testing.T) {
	dockerfile, err := os.ReadFile(filepath.Join(repository, "deploy/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := loadCompose(t.Context(), secrets())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Services {
		if s.Name == theBroker {
			continue
		}
		name, ok := strings.CutPrefix(s.Command[0], "/bin/")
		module := strings.TrimPrefix(name, "sluice-")
		if !ok || !strings.Contains(string(dockerfile), "./services/"+module+"/cmd/"+name+" ") {
			t.Errorf("the image has no %s, which %s starts", s.Command[0], s.Name)
		}
	}
	if !strings.Contains(string(dockerfile), "\nUSER 65532:65532\n") {
		t.Error("the image runs as root")
	}
	if err := exec.CommandContext(t.Context(), "docker", "info").Run(); err != nil {
		t.Logf("no container engine runs here (docker info: %v): the image was NOT built", err)
		return
	}
	build := exec.CommandContext(t.Context(), "docker", "build", "-f", "deploy/Dockerfile", "-t", "sluice-e2e", ".")
	build.Dir = repository
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("docker build: %v\n%s", err, out)
	}
}
