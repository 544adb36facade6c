package npm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
)

// rolledBack begins the message that a rollback deprecates a version with. A version with another message was deprecated by
// somebody else, which is nothing to take back.
const rolledBack = "Rolled back by Sluice"

// deprecation is the message, as npm install shows it to everybody who gets that version.
func deprecation(instead string) string {
	if instead == "" {
		return rolledBack
	}
	return rolledBack + ": install " + instead + " instead"
}

// deprecation is the message that a version is deprecated with; empty when it is not. Some registries say false for that.
func (p published) deprecation() string {
	message, _ := p.Deprecated.(string)
	return message
}

// withdraw deprecates a version that the channel has left, unless it is deprecated, and says so in done. at is what the channel points to
// now. A registry that does not do that is no failure of the rollback.
func (c channel) withdraw(ctx context.Context, name, version, at string, done *driver.Done) error {
	versions, err := c.registry.versions(ctx, name)
	if err != nil {
		return fmt.Errorf("look at %s: %w", name, err)
	}
	have, is := versions[version]
	if !is || have.deprecation() != "" {
		return nil
	}
	instead := at
	if at == version {
		instead = ""
	}
	message := deprecation(instead)
	switch err := c.deprecate(ctx, name, version, message, at); {
	case driver.IsRefused(err):
		done.Note = join(done.Note, fmt.Sprintf("it could not be deprecated, which is left to you: npm deprecate %s@%s %q (%v)",
			name, version, message, err))
	case err != nil:
		return err
	default:
		done.Existed, done.Note = false, join(done.Note, fmt.Sprintf("%s@%s is deprecated: %s", name, version, message))
	}
	return nil
}

// reinstate takes back what withdraw did to a version that the channel points to again, and says so in done. was is what the registry
// showed before.
func (c channel) reinstate(ctx context.Context, name, version string, was shown, done *driver.Done) error {
	message := was.versions[version].deprecation()
	switch {
	case message == "":
		return nil
	case !strings.HasPrefix(message, rolledBack):
		done.Note = join(done.Note, fmt.Sprintf("%s@%s is deprecated, not by Sluice: it stays so", name, version))
		return nil
	}
	switch err := c.deprecate(ctx, name, version, "", done.Value); {
	case driver.IsRefused(err):
		done.Note = join(done.Note, fmt.Sprintf("it is deprecated still, which is left to you: npm deprecate %s@%s \"\" (%v)",
			name, version, err))
	case err != nil:
		return err
	default:
		done.Existed, done.Note = false, join(done.Note, fmt.Sprintf("%s@%s is no longer deprecated", name, version))
	}
	return nil
}

// deprecate sets the message of a version, or takes it away when it is empty, as npm deprecate does
// (https://github.com/npm/cli/blob/latest/lib/commands/deprecate.js): the package's whole document is read, changed, and put back.
// at is what the channel points to, which the document must have, and which is looked at afterwards: the document has the tags too.
func (c channel) deprecate(ctx context.Context, name, version, message, at string) error {
	there := func() (bool, error) {
		versions, err := c.registry.versions(ctx, name)
		return err == nil && versions[version].deprecation() == message, err
	}
	body := func() ([]byte, error) { return c.deprecated(ctx, name, version, message, at) }
	err := c.registry.write(ctx, http.MethodPut, c.registry.address(name), body, there)
	if err != nil {
		return fmt.Errorf("deprecate %s@%s: %w", name, version, err)
	}
	is, err := poll(ctx, c.registry.waits.brief(), there)
	if err == nil && !is {
		err = errors.New("the registry accepted it and does not show it")
	}
	if err != nil {
		return fmt.Errorf("deprecate %s@%s: %w", name, version, err)
	}
	now, err := c.await(ctx, name, at)
	if err == nil && now != at {
		err = fmt.Errorf("%s of %s was moved to %s while %s was deprecated", c.tag, name, orNothing(now), version)
	}
	return err
}

// deprecated is the package's document with the message in it, and all else as the registry says.
func (c channel) deprecated(ctx context.Context, name, version, message, at string) ([]byte, error) {
	var doc, versions, manifest map[string]json.RawMessage
	var tags map[string]string
	// The query asks for what is stored instead of what may be served from a cache.
	if err := c.registry.readJSON(ctx, c.registry.address(name)+"?write=true", "application/json", &doc); err != nil {
		return nil, retry.Final(err)
	}
	err := errors.Join(json.Unmarshal(doc["versions"], &versions), json.Unmarshal(doc["dist-tags"], &tags))
	if err == nil {
		err = json.Unmarshal(versions[version], &manifest)
	}
	if err != nil || tags[c.tag] != at {
		return nil, fmt.Errorf("the registry's document of %s does not show yet that %s points to %s", name, c.tag, orNothing(at))
	}
	for _, put := range []struct {
		into  map[string]json.RawMessage
		key   string
		value any
	}{{manifest, "deprecated", message}, {versions, version, manifest}, {doc, "versions", versions}} {
		text, err := json.Marshal(put.value)
		if err != nil {
			return nil, retry.Final(err)
		}
		put.into[put.key] = text
	}
	return json.Marshal(doc)
}
