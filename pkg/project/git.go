package project

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// How releases and their candidates are tagged unless the file says otherwise: v1.4.0, v1.4.0-rc.1.
const (
	DefaultGitTag    = "v{{version}}"
	DefaultCandidate = "rc"
)

// Git tags commits in a git repository: candidates (publish), and then releases on the same commits (promote).
type Git struct {
	Remote    string // its URL; promote takes that of publish
	Tag       string // pkg/x/v{{version}}, the version at its end; DefaultGitTag (publish), that of publish (promote) unless set
	Candidate string // the word in 1.4.0-rc.1; DefaultCandidate (publish), that of publish (promote) unless set; promote alone needs none
	Branch    string // moves along; none when empty
	Username  string // of whom the token is the password; one that GitHub and GitLab take when empty
	Token     Token
}

// GitHubRelease makes prereleases at GitHub (publish), and the latest release of them (promote).
type GitHubRelease struct {
	URL   string // of the API: https://git.example.com/api/v3 for a server of one's own
	Repo  string // acme/tracer; promote takes that of publish
	Tag   string // of a version, which stands at its end; DefaultGitTag (publish), that of publish (promote) unless set
	Token Token
}

var (
	gitRef  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]|[./][A-Za-z0-9_-])*$`)
	gitWord = regexp.MustCompile(`^[a-z][a-z0-9]{0,15}$`)
)

const maxGitRef = 100

// taggers reads the drivers that tag releases.
func (d *decoder) taggers(block section, a *Action) {
	timeout := between(minActionTimeout, maxActionTimeout)
	if s, ok := block.child("git", ofGit); ok {
		a.Git = &Git{
			Remote: strings.TrimRight(s.text("remote", checkRegistry), "/"), Tag: s.text("tag", checkGitTag),
			Candidate: s.text("candidate", checkCandidate), Branch: s.text("branch", checkBranch),
			Username: s.text("username", checkUser), Token: s.token(),
		}
		if s.has("username") && !s.has("token_env") && !s.has("token_file") {
			d.fail(s.at("username"), "has no password: name that with token_env or token_file")
		}
		a.Timeout = s.duration("timeout", DefaultActionTimeout, timeout)
	}
	if s, ok := block.child("github_release", ofGitHubRelease); ok {
		a.Release = &GitHubRelease{
			URL: s.home(""), Repo: s.text("repo", matches(repoName, "a repository, such as acme/tracer")), Tag: s.text("tag", checkGitTag),
			Token: s.token(),
		}
		a.Timeout = s.duration("timeout", DefaultActionTimeout, timeout)
	}
}

// IsGitRef tells whether a name can be a branch or a tag: letters, digits, _ and -, with single dots and slashes between them, at most
// 100. It is narrower than https://git-scm.com/docs/git-check-ref-format.
func IsGitRef(name string) bool {
	return len(name) <= maxGitRef && gitRef.MatchString(name) && !strings.HasSuffix(name, ".lock") && !strings.Contains(name, ".lock/")
}

// TagPrefix is what a template such as v{{version}} has before the version, and whether it is one.
func TagPrefix(template string) (prefix string, ok bool) {
	prefix, ok = strings.CutSuffix(template, "{{version}}")
	return prefix, ok && IsGitRef(prefix+"1")
}

func checkGitTag(tag string) error {
	if _, ok := TagPrefix(tag); !ok {
		return fmt.Errorf("%s is not how versions are tagged: {{version}} at its end, such as %s or pkg/x/v{{version}}", quote(tag), DefaultGitTag)
	}
	return nil
}

func checkCandidate(word string) error {
	if !gitWord.MatchString(word) {
		return fmt.Errorf("%s is no word for candidates: small letters and digits, such as %s", quote(word), DefaultCandidate)
	}
	return nil
}

func checkBranch(name string) error {
	if !IsGitRef(name) {
		return errors.New("must be a branch: letters, digits, _ and -, with dots and slashes between them, at most 100")
	}
	return nil
}

// inheritGit gives promote what publish says and it does not. The token is taken only together with the place that it is for.
func (p *Project) inheritGit() {
	if from := p.Publish.Git; from != nil {
		setUnset(&from.Tag, DefaultGitTag)
		setUnset(&from.Candidate, DefaultCandidate)
		if p.Promote != nil && p.Promote.Git != nil {
			to := p.Promote.Git
			setUnset(&to.Remote, from.Remote)
			setUnset(&to.Tag, from.Tag)
			setUnset(&to.Candidate, from.Candidate)
			if to.Remote == from.Remote && to.Token == (Token{}) {
				to.Token = from.Token
				setUnset(&to.Username, from.Username)
			}
		}
	}
	if from := p.Publish.Release; from != nil {
		setUnset(&from.URL, GitHubHome)
		if p.Promote != nil && p.Promote.Release != nil {
			to := p.Promote.Release
			setUnset(&to.URL, from.URL)
			setUnset(&to.Repo, from.Repo)
			setUnset(&to.Tag, from.Tag)
			if to.URL == from.URL && to.Token == (Token{}) {
				to.Token = from.Token
			}
		}
	}
}

// fillInGit sets the defaults of what publish did not give.
func (a *Action) fillInGit() {
	if a.Git != nil {
		setUnset(&a.Git.Tag, DefaultGitTag)
	}
	if a.Release != nil {
		setUnset(&a.Release.URL, GitHubHome)
		setUnset(&a.Release.Tag, DefaultGitTag)
	}
}

func (d *decoder) agreeGit(p *Project) {
	d.named("publish", p.Publish)
	d.named("promote", p.Promote)
	if p.Publish == nil || p.Promote == nil || !d.clean("publish", "promote") {
		return
	}
	d.agreeRemotes(p.Publish.Git, p.Promote.Git)
	if from, to := p.Publish.Release, p.Promote.Release; from != nil && to != nil {
		if to.URL != from.URL || to.Repo != from.Repo {
			d.fail("promote.github_release.repo", "must be the repository of publish.github_release: set it only there")
		}
		if to.Tag != from.Tag {
			d.fail("promote.github_release.tag", "must be how publish.github_release tags: set it only there")
		}
	}
}

// named reports a repository that an action does not name, also not by what it takes from publish. Where publish has a mistake in
// the same driver, that one stands for both.
func (d *decoder) named(path string, a *Action) {
	if a != nil && a.Git != nil && a.Git.Remote == "" && d.clean("publish.git", path+".git") {
		d.fail(path+".git.remote", "is missing: the repository, such as https://git.example.com/acme/tracer.git")
	}
	if a != nil && a.Release != nil && a.Release.Repo == "" && d.clean("publish.github_release", path+".github_release") {
		d.fail(path+".github_release.repo", "is missing: the repository, such as acme/tracer")
	}
}

func (d *decoder) agreeRemotes(from, to *Git) {
	if from != nil && to != nil {
		if to.Remote != from.Remote {
			d.fail("promote.git.remote", "must be the remote of publish.git: set it only there")
		}
		if to.Tag != from.Tag {
			d.fail("promote.git.tag", "must be how publish.git tags: set it only there")
		}
		if to.Candidate != from.Candidate {
			d.fail("promote.git.candidate", "must be the word of publish.git: set it only there")
		}
		if to.Branch != "" && to.Branch == from.Branch {
			d.fail("promote.git.branch", "%s is the branch of publish.git too: everybody would get the beta at once", quote(to.Branch))
		}
	}
}
