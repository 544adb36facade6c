package project

import (
	"regexp"
	"strings"
	"time"
)

// AWS is how a service of AWS is reached. Whatever is unset the SDK looks for where it always does: the environment, ~/.aws, the role
// of the machine (https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html).
type AWS struct {
	Region   string
	Endpoint string // instead of the region's own: https, or http on this machine
	Key      Token  // names the access key's id, and
	Secret   Token  // its secret: both, or neither
	Session  Token  // names the session token of temporary credentials
}

// AWSLambda invokes a function and waits for its answer.
type AWSLambda struct {
	AWS
	Function string            // its name, or its ARN
	Version  string            // a version or an alias; the newest when empty
	Input    map[string]string // templates; beside the facts of the release
}

// AWSStepFunctions starts an execution of a standard state machine and waits for its end.
type AWSStepFunctions struct {
	AWS
	Machine  string            // the state machine's ARN
	Input    map[string]string // templates; beside the facts of the release
	Interval time.Duration
}

// AWSCodeBuild starts a build and waits for its end.
type AWSCodeBuild struct {
	AWS
	Project   string
	Source    string            // a template: the branch, tag or commit that is built; the project's own when empty
	Variables map[string]string // templates; of the build's environment
	Interval  time.Duration
}

// AWSCodePipeline starts an execution of a pipeline of type V2 and waits for its end.
type AWSCodePipeline struct {
	AWS
	Pipeline  string
	Variables map[string]string // templates; the pipeline declares each of them, and sluice_key
	Interval  time.Duration
}

// AWSS3 is a bucket of immutable artifacts by digest, with an object per channel: what Files is on a disk.
type AWSS3 struct {
	AWS
	Bucket  string
	Prefix  string // before all keys, without a slash at its end; may be empty
	Channel string // beta (publish), the stage's name, latest (promote) unless set
}

var (
	regionName    = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	functionName  = regexp.MustCompile(`^(arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:function:)?[A-Za-z0-9_-]{1,64}$`)
	qualifierName = regexp.MustCompile(`^[A-Za-z0-9$_-]{1,128}$`)
	machineARN    = regexp.MustCompile(`^arn:[a-z-]+:states:[a-z0-9-]+:[0-9]{12}:stateMachine:[A-Za-z0-9_-]{1,80}$`)
	buildName     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{1,254}$`)
	pipelineName  = regexp.MustCompile(`^[A-Za-z0-9.@_-]{1,100}$`)
	bucketName    = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	prefixName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,9}$`)
)

// amazon reads the drivers of AWS.
func (d *decoder) amazon(block section, a *Action) {
	bounded := func(s section) {
		a.Timeout = s.duration("timeout", DefaultActionTimeout, between(minActionTimeout, maxActionTimeout))
	}
	if s, ok := block.child("aws-lambda", ofLambda); ok {
		s.require("function", "the function's name or ARN, as in function: deploy-staging")
		a.AWSLambda = &AWSLambda{
			AWS: s.aws(), Function: s.text("function", matches(functionName, "a function's name, or its ARN without a version")),
			Version: s.text("version", matches(qualifierName, "a version or an alias")), Input: s.templates("input", checkInput),
		}
		bounded(s)
	}
	if s, ok := block.child("aws-stepfunctions", ofStepFunctions); ok {
		s.require("machine", "the state machine's ARN")
		a.AWSStepFunctions = &AWSStepFunctions{
			AWS: s.aws(), Machine: s.text("machine", matches(machineARN, "the ARN of a state machine")),
			Input: s.templates("input", checkInput), Interval: s.interval(),
		}
		bounded(s)
	}
	if s, ok := block.child("aws-codebuild", ofCodeBuild); ok {
		s.require("project", "the project's name in CodeBuild")
		a.AWSCodeBuild = &AWSCodeBuild{
			AWS: s.aws(), Project: s.text("project", matches(buildName, "a project's name in CodeBuild")),
			Source: s.text("source", checkTemplate), Variables: s.templates("variables", checkInput), Interval: s.interval(),
		}
		bounded(s)
	}
	if s, ok := block.child("aws-codepipeline", ofCodePipeline); ok {
		s.require("pipeline", "the pipeline's name")
		a.AWSCodePipeline = &AWSCodePipeline{
			AWS: s.aws(), Pipeline: s.text("pipeline", matches(pipelineName, "a pipeline's name")),
			Variables: s.templates("variables", checkInput), Interval: s.interval(),
		}
		bounded(s)
	}
	if s, ok := block.child("aws-s3", ofS3); ok {
		a.AWSS3 = &AWSS3{
			AWS: s.aws(), Bucket: s.text("bucket", matches(bucketName, "a bucket's name")),
			Prefix: s.text("prefix", matches(prefixName, "a prefix, such as downloads/tracer")), Channel: s.text("channel", checkChannel),
		}
		bounded(s)
	}
}

// aws is how the service is reached.
func (s section) aws() AWS {
	a := AWS{
		Region:   s.text("region", matches(regionName, "a region, such as eu-central-1")),
		Endpoint: strings.TrimRight(s.text("endpoint", checkRegistry), "/"),
		Key:      s.named("key"), Secret: s.named("secret"), Session: s.named("session"),
	}
	if (a.Key == Token{}) != (a.Secret == Token{}) || a.Key == (Token{}) && a.Session != (Token{}) {
		s.fail(s.path, "names a part of its credentials only: the key's id (key_env or key_file) and its secret (secret_env or secret_file) "+
			"belong together; without both, the SDK looks for credentials itself")
	}
	return a
}

// named is a secret by its name.
func (s section) named(what string) Token {
	env, file := what+"_env", what+"_file"
	if s.has(env) && s.has(file) {
		s.fail(s.at(file), "stands beside %s: allowed is one of the two", env)
	}
	return Token{Env: s.text(env, checkTokenEnv), File: s.text(file, checkPath)}
}

// inheritS3 gives stage and promote the bucket of publish, and how it is reached.
func (p *Project) inheritS3() {
	from := p.Publish.AWSS3
	if from == nil {
		return
	}
	for _, a := range p.later() {
		if to := a.AWSS3; to != nil && to.Bucket == "" && to.AWS == (AWS{}) {
			setUnset(&to.Prefix, from.Prefix)
			to.Bucket, to.AWS = from.Bucket, from.AWS
		}
	}
}

func (d *decoder) agreeS3(p *Project) {
	type place struct{ endpoint, bucket, prefix, channel string }
	taken := map[place]string{}
	look := func(path string, a *Action) {
		if a == nil || a.AWSS3 == nil || !d.clean(path+".aws-s3") {
			return
		}
		s := a.AWSS3
		if s.Bucket == "" {
			if d.clean("publish") {
				d.fail(path+".aws-s3.bucket", "is missing: the bucket that holds the artifacts and the channels")
			}
			return
		}
		if s.Channel == "" {
			if d.clean(path + ".name") {
				d.fail(path+".aws-s3.channel", "is missing: the stage's name can not be its channel, which begins with a letter")
			}
			return
		}
		at := place{s.Endpoint, s.Bucket, s.Prefix, s.Channel}
		if first, both := taken[at]; both {
			d.fail(path+".aws-s3.channel", "%s is the channel of %s too: each needs its own", quote(at.channel), first)
		}
		taken[at] = path
	}
	look("publish", p.Publish)
	for i, stage := range p.Stages {
		look(d.stageAt(i).stage, stage.Action)
	}
	look("promote", p.Promote)
}
