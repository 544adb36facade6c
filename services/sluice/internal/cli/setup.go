package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

func (a *app) up() *cobra.Command {
	var cfg UpConfig
	var format, age string
	var quiet bool
	cmd := &cobra.Command{
		Use: "up", GroupID: groupRun, Args: cobra.NoArgs,
		Short: "Run the broker and all services in this process",
		Long: `Runs an embedded NATS server, with JetStream on disk and every message synced, and all services of Sluice.

Clients on this machine connect without a password; they may do what people, CI and applications may. On any
other address than a loopback one every client needs a user: its password is taken from SLUICE_OPERATOR_PASSWORD,
SLUICE_CI_PASSWORD and so on.

Ctrl-C stops it in order, a second one at once. Nothing that was acknowledged is lost either way.`,
		Example: "  sluice up --data ./sluice-data --project sluice.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := a.logger(format, quiet)
			if err != nil {
				return err
			}
			cfg.Log = log
			if cfg.EvidenceAge, err = evidenceAge(age); err != nil {
				return err
			}
			if !quiet {
				cfg.Banner = a.err
			}
			return a.upper.Run(cmd.Context(), cfg)
		},
	}
	set := cmd.Flags()
	set.StringVar(&cfg.Data, "data", "sluice-data", "the data `directory`")
	set.StringVar(&cfg.Listen, "listen", "127.0.0.1:4222", "`address` of the broker; port 0 takes a free one")
	set.StringVar(&cfg.HTTP, "http", "127.0.0.1:0", "`address` of /healthz and /metrics")
	set.StringArrayVar(&cfg.Projects, "project", nil, "a project `file` to apply; may be given several times")
	set.StringVar(&cfg.Gateway, "gateway", "", "take webhooks, too: the gateway's `file`, see deploy/gateway.example.yaml")
	set.StringVar(&cfg.GatewayListen, "gateway-listen", "127.0.0.1:8081", "`address` that webhooks come in at; port 0 takes a free one")
	set.StringVar(&cfg.Dashboard, "dashboard", "", "`address` of the dashboard, or off (127.0.0.1:8082, or another free port)")
	set.StringVar(&age, flagEvidenceAge, "", usageEvidenceAge)
	set.StringVar(&format, "log", "", "`format` of the log on standard error: text or json (text on a terminal, json otherwise)")
	set.BoolVar(&quiet, "quiet", false, "log warnings and errors only, and no greeting")
	return cmd
}

func (a *app) logger(format string, quiet bool) (*zap.Logger, error) {
	if format == "" {
		format = "json"
		if a.errStyle.Terminal {
			format = "text"
		}
	}
	log, err := show.NewLogger(a.err, format, quiet, a.errStyle.Colour)
	if err != nil {
		return nil, fmt.Errorf("--log %q: want text or json", format)
	}
	return log, nil
}

func (a *app) init() *cobra.Command {
	var o topology.Options
	var age string
	cmd := &cobra.Command{
		Use: "init", GroupID: groupRun, Args: cobra.NoArgs,
		Short: "Make the streams on a NATS server that runs already",
		Long: `Creates the streams, buckets and consumers that are missing and corrects those that differ. It never deletes
anything, and may be run again. It needs a user with all rights in the account of the services (admin).`,
		Example: "  NATS_PASSWORD=… sluice init --server nats://nats:4222 --user admin --replicas 3",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Replicas != 0 && o.Replicas != 1 && o.Replicas != 3 && o.Replicas != 5 {
				return fmt.Errorf("--replicas %d: want 1, 3 or 5", o.Replicas)
			}
			var err error
			if o.EvidenceAge, err = evidenceAge(age); err != nil {
				return err
			}
			ctx, cancel := within(cmd.Context())
			defer cancel()
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.close()
			if err := c.ensure(ctx, o); err != nil {
				return err
			}
			return a.print("the streams of Sluice are ready %s", c.name())
		},
	}
	cmd.Flags().IntVar(&o.Replicas, "replicas", 0, "replicas of every stream: 1, 3 or 5 (what is there; 1 for new streams)")
	cmd.Flags().StringVar(&age, flagEvidenceAge, "", usageEvidenceAge)
	return cmd
}

// How long what the watcher measured is kept.
const (
	flagEvidenceAge  = "evidence-age"
	usageEvidenceAge = "how long what the watcher measured is kept, a `duration` such as 90d (what is there; 30d at first)"
	leastEvidenceAge = 24 * time.Hour // a promotion looks at the heartbeats of its soak
)

// evidenceAge reads its flag; 0 is to keep what is there.
func evidenceAge(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	age, err := project.ParseDuration(text)
	if err != nil || age < leastEvidenceAge {
		return 0, fmt.Errorf("--%s %q: want a duration of at least 1d, and of the longest soak, such as 90d", flagEvidenceAge, text)
	}
	return age, nil
}

// ensure makes the streams. It insists while the broker does not answer, which a cluster that starts does not; so a user of
// another account, who can look at what people look at and gets no answer about the rest, is told first.
func (c *client) ensure(ctx context.Context, o topology.Options) error {
	const admin = "use the admin of the services' account"
	ctx, cancel := c.guard(ctx)
	defer cancel()
	_, err := c.js.Stream(ctx, topology.StreamSluice)
	if err == nil {
		_, err = c.js.Stream(ctx, topology.StreamTimers)
		if errors.Is(err, nats.ErrNoResponders) {
			return fmt.Errorf("the NATS server %s lets this user make no streams: %s", c.name(), admin)
		}
	}
	err = topology.Ensure(ctx, c.js, o)
	switch why := denial(ctx); {
	case why != nil:
		return fmt.Errorf("%w: %s", why, admin)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("the NATS server %s lets this user make no streams (%w): %s", c.name(), err, admin)
	}
	return err
}

func (a *app) apply() *cobra.Command {
	var paths []string
	var out format
	cmd := &cobra.Command{
		Use: "apply -f FILE...", GroupID: groupShip,
		Short: "Check project files, and use them from the next merge on",
		Long: `Checks project files and stores them. The next merge of a project uses its new file; releases in flight keep
the one that they began with. All mistakes of all files are told at once, and then nothing is stored.`,
		Example: "  sluice apply -f sluice.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			paths = append(paths, args...)
			if len(paths) == 0 {
				return errors.New("which file? usage: sluice apply -f sluice.yaml (- reads standard input)")
			}
			sources, err := a.readAll(paths)
			if err != nil {
				return err
			}
			ctx, cancel := within(cmd.Context())
			defer cancel()
			c, err := a.open(ctx)
			if err != nil {
				return err
			}
			defer c.close()
			all := []show.ApplyJSON{}
			for i, src := range sources {
				one, err := c.apply(ctx, paths[i], src)
				if err != nil {
					return err
				}
				all = append(all, one)
				if out.machine() {
					continue
				}
				if err := a.print("%s", applied(one)); err != nil {
					return err
				}
			}
			return a.tell(&out, all, "")
		},
	}
	cmd.Flags().StringArrayVarP(&paths, "file", "f", nil, "a project `file`; - is standard input")
	outputFlag(cmd, &out)
	return cmd
}

// readAll reads and checks all files.
func (a *app) readAll(paths []string) ([][]byte, error) {
	var out [][]byte
	var wrong []error
	for _, path := range paths {
		src, err := a.read(path)
		if err == nil {
			_, err = project.Parse(path, src)
		}
		if err != nil {
			wrong = append(wrong, err)
		}
		out = append(out, src)
	}
	return out, errors.Join(wrong...)
}

func (a *app) read(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(a.in)
	}
	return os.ReadFile(path)
}

// apply stores a project file.
func (c *client) apply(ctx context.Context, path string, src []byte) (show.ApplyJSON, error) {
	p, err := project.Parse(path, src)
	if err != nil {
		return show.ApplyJSON{}, err
	}
	_, before, err := c.catalog.Current(ctx, p.Name)
	var wrong project.Errors
	if err != nil && !errors.Is(err, catalog.ErrUnknownProject) && !errors.As(err, &wrong) {
		return show.ApplyJSON{}, err
	}
	guarded, cancel := c.guard(ctx)
	defer cancel()
	_, revision, err := c.catalog.Apply(guarded, path, src)
	if err != nil {
		return show.ApplyJSON{}, cmp.Or(denial(guarded), err)
	}
	out := show.ApplyJSON{Project: p.Name, File: path, Result: "changed", Revision: revision, Before: before}
	switch before {
	case revision:
		out.Result = "unchanged"
	case "":
		out.Result = "new"
	}
	return out, nil
}

func applied(one show.ApplyJSON) string {
	text := fmt.Sprintf("%s: %s, revision %s", one.Project, one.Result, one.Revision)
	if one.Before != "" && one.Before != one.Revision {
		text += fmt.Sprintf(" (before: %s); releases in flight keep theirs", one.Before)
	}
	return text
}

func (a *app) version() *cobra.Command {
	var out format
	cmd := &cobra.Command{
		Use: "version", GroupID: groupRun, Args: cobra.NoArgs,
		Short:   "Say what this is, and what it was built from",
		Example: "  sluice version\n  sluice version -o json",
		RunE: func(*cobra.Command, []string) error {
			v := built(a.upper.Broker)
			return a.tell(&out, v, versionOf(v)+"\n")
		},
	}
	outputFlag(cmd, &out)
	return cmd
}

// built is what this program was built from.
func built(broker string) show.VersionJSON {
	v := show.VersionJSON{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Broker: broker}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version, v.Go = info.Main.Version, info.GoVersion
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Built = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func versionOf(v show.VersionJSON) string {
	text := "sluice " + v.Version
	if v.Commit != "" {
		text += fmt.Sprintf(" (commit %.12s of %s", v.Commit, v.Built)
		if v.Modified {
			text += ", with changes"
		}
		text += ")"
	}
	text += fmt.Sprintf(", %s %s", v.Go, v.Platform)
	if v.Broker != "" {
		text += ", embeds nats-server v" + v.Broker
	}
	return text
}
