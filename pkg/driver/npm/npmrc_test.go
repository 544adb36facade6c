package npm

import (
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/npmtest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// What npm reads from its settings is what is read here: each value is one that npm 11's "npm config get" gives for the same line.
func TestSettings(t *testing.T) {
	t.Parallel()
	lookup := func(name string) (string, bool) {
		value, ok := map[string]string{"TOKEN": "hunter2", "EMPTY": "", "TWO": "a\nb"}[name]
		return value, ok
	}
	for line, want := range map[string]string{
		"":                   "",
		"key=plain":          "plain",
		" key = plain ":      "plain",
		`key="a b ; c"`:      "a b ; c",
		`key='a # b'`:        "a # b",
		"key=a ; comment":    "a",
		"key=a#comment":      "a",
		`key=a\#b`:           "a#b",
		`key=a\\b`:           `a\b`,
		"; key=a":            "",
		"# key=a":            "",
		"[of]\nkey=a":        "",
		"key=a\r\nkey=b\r\n": "b",
		"key=a=b=":           "a=b=",
		"key=${TOKEN}":       "hunter2",
		"key=x${TOKEN}y":     "xhunter2y",
		"key=${EMPTY}":       "",
		"key=${UNSET?}":      "",
		"key=$TOKEN":         "$TOKEN",
		"key=$(id)":          "$(id)",
		"key":                "",
	} {
		if got, err := parseSettings(line).value("key", lookup); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", line, got, err, want)
		}
	}
	for line, want := range map[string]string{"key=${UNSET}": `"UNSET", which is not set`, "key=${TWO}": "several lines"} {
		if _, err := parseSettings(line).value("key", lookup); !driver.IsRefused(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	pair := base64.StdEncoding.EncodeToString([]byte("ci:hunter2"))
	const npm = "https://npm.example.com:8443/team/a/"
	for text, want := range map[string]string{
		"//npm.example.com:8443/team/a/:_authToken=t":                                         "Bearer t",
		"//npm.example.com:8443/team/a:_authToken=t":                                          "Bearer t",
		"//npm.example.com:8443/team/:_authToken=t":                                           "Bearer t",
		"//npm.example.com:8443/:_authToken=t":                                                "Bearer t",
		"//npm.example.com:8443:_authToken=t":                                                 "Bearer t",
		"//npm.example.com:8443/:_authToken=no\n//npm.example.com:8443/team/:_authToken=t":    "Bearer t",
		"//npm.example.com:8443/:_auth=" + pair:                                               "Basic " + pair,
		"//npm.example.com:8443/:username=ci\n//npm.example.com:8443/:_password=aHVudGVyMg==": "Basic " + pair,
		"//npm.example.com:8443/team/ab/:_authToken=no":                                       "",
		"//npm.example.com/:_authToken=no":                                                    "",
		"//npm.example.com.evil.example:8443/:_authToken=no":                                  "",
		"_authToken=no":                       "", // npm refuses that since version 9
		"//npm.example.com:8443/:username=ci": "",
	} {
		got, secrets, err := parseSettings(text).credentials(npm, os.LookupEnv)
		if got != want || err != nil || (want != "") != (len(secrets) > 0) {
			t.Errorf("%s: %q, %q, %v, want %q", text, got, secrets, err, want)
		}
	}
	for _, text := range []string{"//npm.example.com:8443/:_auth=!", "//npm.example.com:8443/:username=ci\n//npm.example.com:8443/:_password=hunter2!"} {
		if _, _, err := parseSettings(text).credentials(npm, os.LookupEnv); !driver.IsRefused(err) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A private package on a registry of its scope, with all that is to be known in .npmrc, goes all the way: publish, promote, roll back.
// npm's command line reads the same file, and finds the same.
func TestNPMRC(t *testing.T) {
	registry := npmtest.Start(t)
	const name = "@private/tracer"
	t.Setenv("SLUICE_TEST_NPMRC", registry.Token)
	host := strings.TrimPrefix(registry.URL, "http:")
	for what, text := range map[string]string{
		"token":        "registry=https://npm.example.com/\n@private:registry=" + registry.URL + "/\n" + host + "/:_authToken=${SLUICE_TEST_NPMRC}\n",
		"name":         "@private:registry=" + registry.URL + "\n" + host + "/:username=ci\n" + host + "/:_password=" + base64.StdEncoding.EncodeToString([]byte("for-tests-only")) + "\n",
		"one for all":  "registry=" + registry.URL + "\n" + host + "/:_auth=" + base64.StdEncoding.EncodeToString([]byte("ci:for-tests-only")) + "\n",
		"in the block": "@private:registry=https://npm.example.com/\n" + host + "/:_authToken=${SLUICE_TEST_NPMRC}\n",
	} {
		t.Run(what, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), ".npmrc")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg := project.NPM{Package: name + "-" + strings.ReplaceAll(what, " ", "-"), NPMRC: file, Access: "restricted", Mode: project.Retag}
			if what == "in the block" {
				cfg.Registry = registry.URL // the project file comes first
			}
			publish, err := Publish(cfg, withWaits(quick()))
			if err != nil {
				t.Fatal(err)
			}
			promote, err := Promote(cfg, withWaits(quick()))
			if err != nil {
				t.Fatal(err)
			}
			var f driver.Facts
			versions := []string{"1.3.0", "1.4.0"}
			if what == "name" || what == "one for all" {
				versions = versions[1:] // passwords take the registry a while
			}
			for _, version := range versions {
				f = facts(version, npmtest.Pack(t, cfg.Package, version, nil))
				if _, err := publish.Do(t.Context(), f); err != nil {
					t.Fatal(err)
				}
				if _, err := promote.Do(t.Context(), f); err != nil {
					t.Fatal(err)
				}
			}
			if len(versions) > 1 {
				if _, err := promote.Undo(t.Context(), f, driver.Back{Value: "1.3.0"}); err != nil {
					t.Fatal(err)
				}
			}
			// Only those who are logged in see it.
			if what == "token" {
				out, err := registry.NPM(t.Context(), t.TempDir(), "view", cfg.Package, "dist-tags.latest", "--registry", registry.URL, "--userconfig", file)
				if err != nil || strings.TrimSpace(out) != "1.3.0" {
					t.Errorf("npm view says %q, %v", out, err)
				}
			}
			res, err := http.Get(registry.URL + "/" + strings.ReplaceAll(cfg.Package, "/", "%2f"))
			if err != nil {
				t.Fatal(err)
			}
			if _ = res.Body.Close(); res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusForbidden {
				t.Errorf("everybody sees it: %s", res.Status)
			}
		})
	}
}

// What is wrong with the settings is one clear line, without what is secret.
func TestNPMRCRefused(t *testing.T) {
	front := npmtest.StartFront(t, "http://127.0.0.1:1")
	front.Faults(func(*http.Request) npmtest.Fault {
		return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(r.Header.Get("Authorization") + " is ci:hunter2"))
		}
	})
	host := strings.TrimPrefix(front.URL, "http:")
	file := filepath.Join(t.TempDir(), ".npmrc")
	f := facts("1.4.0", npmtest.Pack(t, "tracer", "1.4.0", nil))
	for text, want := range map[string]string{
		host + "/:_authToken=hunter2":                                               `the token in the settings "` + file + `", if they have one for ` + front.URL + " may not do this",
		host + "/:_authToken=${SLUICE_TEST_UNSET}":                                  `npmrc "` + file + `": ` + host + `/:_authToken names the environment variable "SLUICE_TEST_UNSET"`,
		host + "/:_auth=" + base64.StdEncoding.EncodeToString([]byte("ci:hunter2")): "may not do this",
		host + "/:_authToken=\"hunter2\\nhunter2\"":                                 "has several lines",
	} {
		if err := os.WriteFile(file, []byte("registry="+front.URL+"\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := Promote(project.NPM{Package: "tracer", NPMRC: file}, withWaits(quick()))
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Look(t.Context(), f)
		if wantRefused(t, err, want); err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "aHVudGVyMg")) {
			t.Errorf("the error tells the token: %v", err)
		}
	}
	for text, want := range map[string]string{"": "registry: say which one", "registry=http://npm.example.com": "must be https", "registry=${SLUICE_TEST_UNSET}": "not set"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Promote(project.NPM{Package: "tracer", NPMRC: file}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for cfg, want := range map[project.NPM]string{
		{NPMRC: file + "-none"}:                "no such file",
		{NPMRC: file, TokenEnv: "A"}:           "one of token_env, token_file and npmrc",
		{NPMRC: file, TokenFile: "/run/token"}: "one of token_env, token_file and npmrc",
	} {
		if _, err := Promote(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", cfg, err, want)
		}
	}
}
