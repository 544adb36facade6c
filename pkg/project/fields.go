package project

import (
	"fmt"
	"slices"
	"strings"
)

// kind is a kind of mapping in a project file.
type kind string

const (
	ofFile    kind = "project file"
	ofAction  kind = "publish or promote"
	ofStage   kind = "stage"
	ofNPM     kind = "npm"
	ofOCI     kind = "oci"
	ofFiles   kind = "files"
	ofExec    kind = "exec"
	ofSoak    kind = "soak"
	ofCheck   kind = "watch"
	ofSignal  kind = "signal"
	ofHTTP    kind = "http"
	ofStages  kind = "stages"
	ofWindows kind = "windows"
	ofRange   kind = "open or freeze"
	ofBake    kind = "bake"
	ofLimits  kind = "limits"

	ofRequest  kind = "http of an action"
	ofPoll     kind = "poll"
	ofCircleCI kind = "circleci"
	ofGitHub   kind = "github"
	ofGitLab   kind = "gitlab"

	ofPrometheus    kind = "prometheus"
	ofCompare       kind = "compare"
	ofScore         kind = "score"
	ofScoreGroup    kind = "a group of score"
	ofScoredMetric  kind = "a metric of score"
	ofJSON          kind = "json"
	ofAlert         kind = "alert"
	ofGit           kind = "git"
	ofGitHubRelease kind = "github_release"
	ofLambda        kind = "aws-lambda"
	ofStepFunctions kind = "aws-stepfunctions"
	ofCodeBuild     kind = "aws-codebuild"
	ofCodePipeline  kind = "aws-codepipeline"
	ofS3            kind = "aws-s3"

	ofPlugin           kind = "exec of a check"
	ofCloudWatch       kind = "cloudwatch"
	ofCloudWatchLogs   kind = "cloudwatch_logs"
	ofCloudWatchMetric kind = "a metric of cloudwatch"

	ofNotify  kind = "notify"
	ofHook    kind = "slack, teams, discord or shoutrrr"
	ofEmail   kind = "email"
	ofWebhook kind = "webhook"
)

func kinds() []kind {
	return []kind{
		ofFile, ofAction, ofStage, ofNPM, ofOCI, ofFiles, ofExec, ofSoak, ofCheck, ofSignal, ofHTTP, ofStages, ofWindows, ofRange,
		ofBake, ofLimits, ofRequest, ofPoll, ofCircleCI, ofGitHub, ofGitLab, ofPrometheus, ofCompare, ofJSON, ofAlert,
		ofScore, ofScoreGroup, ofScoredMetric,
		ofGit, ofGitHubRelease,
		ofLambda, ofStepFunctions, ofCodeBuild, ofCodePipeline, ofS3,
		ofPlugin, ofCloudWatch, ofCloudWatchLogs, ofCloudWatchMetric,
		ofNotify, ofHook, ofEmail, ofWebhook,
	}
}

// fields is every field that a mapping of this kind may have.
func (k kind) fields() []string {
	return map[kind][]string{
		ofFile: {
			"project", "lane", "version", "order", "needs", "publish", "stage", "stages", "soak", "watch", "approvals", "reasons", "windows",
			"promote", "bake", "limits", "notify",
		},
		ofAction: append([]string{"npm", "oci", "git", "github_release"}, deployers()...),
		ofStage:  append(deployers(), "on_cancel"),
		ofNPM:    {"registry", "package", "tag", "mode", "access", "token_env", "token_file", "npmrc", "timeout"},
		ofOCI:    {"image", "from", "tag", "to", "username", "token_env", "token_file", "insecure", "timeout"},
		ofFiles:  {"dir", "channel", "timeout"},
		ofExec:   {"command", "env", "env_from", "dir", "timeout"},
		ofSoak:   {"delay", "collision", "max_overdue", "supersede_limit", "max_wait", "coverage", "on_gap"},
		ofCheck: {
			"name", "signal", "http", "exec", "prometheus", "json", "cloudwatch", "cloudwatch_logs", "alert",
			"interval", "failures", "of", "grace",
			"condition", "no_data", "severity", "require_human", "link",
		},
		ofSignal:     {"max", "level", "match", "ignore", "new_only", "baseline", "tolerated", "false_alarms"},
		ofHTTP:       {"url", "status", "token_env", "token_file", "timeout"},
		ofStages:     slices.Concat([]string{"name"}, deployers(), []string{"timeout", "on_cancel", "delay", "watch", "approvals"}),
		ofWindows:    {"zone", "open", "freeze"},
		ofRange:      {"name", "weekly", "cron", "for", "from", "to"},
		ofBake:       {"for", "watch"},
		ofLimits:     {"phase", "hold"},
		ofRequest:    {"method", "url", "headers", "body", "success", "poll", "token_env", "token_file", "token_header", "timeout"},
		ofPoll:       {"url", "interval", "done", "failed"},
		ofCircleCI:   {"url", "project", "branch", "parameters", "token_env", "token_file", "interval", "timeout"},
		ofGitHub:     {"url", "repo", "workflow", "ref", "inputs", "token_env", "token_file", "interval", "timeout"},
		ofGitLab:     {"url", "project", "ref", "variables", "token_env", "token_file", "interval", "timeout"},
		ofPrometheus: {"url", "query", "range", "take", "compare", "score", "token_env", "token_file", "timeout"},
		ofCompare: {
			"errors", "requests", "baseline_errors", "baseline_requests", "value", "baseline", "method", "worse", "after",
			"tolerated", "false_alarms",
		},
		ofScore:         {"pass", "marginal", "after", "groups"},
		ofScoreGroup:    {"name", "weight", "metrics"},
		ofScoredMetric:  {"name", "value", "baseline", "worse", "tolerated", "critical", "must_have_data", "missing"},
		ofJSON:          {"url", "value", "token_env", "token_file", "timeout"},
		ofAlert:         {"match", "source", "for", "heartbeat"},
		ofGit:           {"remote", "tag", "candidate", "branch", "username", "token_env", "token_file", "timeout"},
		ofGitHubRelease: {"url", "repo", "tag", "token_env", "token_file", "timeout"},
		ofLambda:        append(ofAWS(), "function", "version", "input"),
		ofStepFunctions: append(ofAWS(), "machine", "input", "interval"),
		ofCodeBuild:     append(ofAWS(), "project", "source", "variables", "interval"),
		ofCodePipeline:  append(ofAWS(), "pipeline", "variables", "interval"),
		ofS3:            append(ofAWS(), "bucket", "prefix", "channel"),

		ofPlugin:           {"command", "env", "env_from", "dir", "nagios", "timeout"},
		ofCloudWatch:       append(ofAWS(), "namespace", "metric", "dimensions", "stat", "expression", "metrics", "period", "delay", "over"),
		ofCloudWatchLogs:   append(ofAWS(), "group", "filter", "query", "delay"),
		ofCloudWatchMetric: {"namespace", "metric", "dimensions", "stat"},

		ofNotify:  append(targets(), "name", "on", "group", "zone", "quiet", "urgent", "template"),
		ofHook:    {"url_env", "url_file"},
		ofEmail:   {"host", "port", "from", "to", "username", "password_env", "password_file", "tls"},
		ofWebhook: {"url", "url_env", "url_file", "token_env", "token_file"},
	}[k]
}

// ofAWS are the fields that all drivers of AWS have.
func ofAWS() []string {
	return []string{"region", "endpoint", "key_env", "key_file", "secret_env", "secret_file", "session_env", "session_file", "timeout"}
}

// deployers are the drivers that can do every kind of action.
func deployers() []string {
	return []string{
		"files", "exec", "http", "circleci", "github", "gitlab",
		"aws-lambda", "aws-stepfunctions", "aws-codebuild", "aws-codepipeline", "aws-s3",
	}
}

// unknownField says what to write instead of a field that this kind does not have.
func unknownField(k kind, name string) string {
	allowed := "allowed: " + strings.Join(k.fields(), ", ")
	switch {
	case k == ofNPM && strings.HasPrefix(name, "provenance"):
		return "is made by npm publish in CI's own job, and nowhere else: let that job publish the beta and set mode: retag, or promote by " +
			"triggering that job; " + allowed
	case k == ofHook && (name == "url" || secretField.MatchString(name)):
		return "secrets are never written here, and the whole address is one: name the variable with url_env, or the file with url_file"
	case k == ofEmail && secretField.MatchString(name):
		return "secrets are never written here: name the variable with password_env, or the file with password_file"
	case (k == ofStage || k == ofStages) && name == "npm":
		return "can not stage: install and start the package with exec; " + allowed
	case (k == ofStage || k == ofStages) && name == "oci":
		return "can not stage: deploy the image, by its digest, with exec; " + allowed
	case (k == ofStage || k == ofStages) && (name == "git" || name == "github_release"):
		return "can not stage: deploy what is tagged with exec, or by a CI; " + allowed
	case len(homesOf(name, k)) > 0:
		return fmt.Sprintf("does not belong here but in %s; %s", strings.Join(homesOf(name, k), " or "), allowed)
	case slices.Contains(k.fields(), "token_env") && secretField.MatchString(name):
		return "secrets are never written here: name the variable with token_env, or the file with token_file"
	case slices.Contains(k.fields(), "secret_env") && secretField.MatchString(name):
		return "secrets are never written here: name the key's id with key_env or key_file, and its secret with secret_env or secret_file"
	case (k == ofExec || k == ofPlugin) && secretField.MatchString(name):
		return "secrets are never written here: let the command see a variable of the service with env_from"
	case secretField.MatchString(name):
		return "secrets are never written here; " + allowed
	}
	if near, ok := Nearest(name, k.fields()); ok {
		return fmt.Sprintf("unknown field, did you mean %s? %s", near, allowed)
	}
	return "unknown field; " + allowed
}

// homesOf names the kinds that have the field: those inside k, or else all.
func homesOf(name string, k kind) []string {
	var inside, all []string
	for _, home := range kinds() {
		if !slices.Contains(home.fields(), name) {
			continue
		}
		all = append(all, string(home))
		if slices.Contains(k.fields(), string(home)) {
			inside = append(inside, string(home))
		}
	}
	if len(inside) > 0 {
		return inside
	}
	return all
}

// Nearest is the word that name is most likely a misspelling of: at most one edit in three characters away.
func Nearest(name string, words []string) (string, bool) {
	if len(name) > 32 {
		return "", false
	}
	best, least := "", max(1, len(name)/3)+1
	for _, word := range words {
		if n := edits(name, word); n < least && n < len(name) {
			best, least = word, n
		}
	}
	return best, best != ""
}

// edits is the Levenshtein distance in bytes, a swap of two neighbours counting as one.
func edits(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// oneOf makes a check for a field with a few allowed values.
func oneOf[T ~string](values ...T) func(string) error {
	words := make([]string, len(values))
	for i, value := range values {
		words[i] = string(value)
	}
	return func(text string) error {
		if slices.Contains(words, text) {
			return nil
		}
		if near, ok := Nearest(text, words); ok {
			return fmt.Errorf("%s is unknown, did you mean %s? allowed: %s", quote(text), near, strings.Join(words, ", "))
		}
		return fmt.Errorf("%s is unknown; allowed: %s", quote(text), strings.Join(words, ", "))
	}
}
