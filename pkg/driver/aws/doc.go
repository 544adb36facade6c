// Package aws is the drivers of Amazon's services: a function of Lambda, an execution of Step Functions, a build of CodeBuild, an execution
// of CodePipeline, and a bucket of S3 that holds artifacts and channels. How the services are reached is package amazon's.
//
// # What starts something
//
// The first four are vendors of package trigger: find, trigger, follow, and the key that names an action of a try, are told there.
// A job gets the facts as JSON (Lambda, Step Functions: {"key":…,"action":…,"release":{"id":…,"version":…},"undo":{…},"input":{…}},
// the names of package expr), or the variables of the project file and the key beside them (SLUICE_KEY, sluice_key). A job has to bear
// being begun twice by two instances at once, except with Step Functions, where that can not happen.
//
// Step Functions: the executions of a release on a channel are a list, "<release>-deploy-staging-1", "…-2". A name can be taken once, so
// two instances can not both append to it: the second finds the execution of the first, also when the answer to its start was lost
// (StartExecution is idempotent for the same name and input while the execution runs, and says ExecutionAlreadyExists otherwise). Each
// name is described; ListExecutions is not asked, it tells of executions later than they begin. The state machine is a standard one:
// an execution of an express one can not be described.
//
// CodeBuild: builds of the project since the release began are looked through for the variable SLUICE_KEY. StartBuild has the key as
// its idempotencyToken, which holds for five minutes.
//
// CodePipeline: the pipeline is of type V2 and declares the variable sluice_key, and those of the project file. Executions that were
// started by the API since the release began are asked for their variables. StartPipelineExecution has the key as its
// clientRequestToken. A value can not be empty there: an empty one is left out, so declare a default such as "none".
//
// Lambda: nothing tells which invocations there were. The function is invoked synchronously with the key, and a request whose answer was
// lost is made again with it; the function has to know by the key, or by release and digest, what it has done. It has 15 minutes.
// A function's error (FunctionError) fails the release with what it says.
//
// A run that fails fails the release. When the release is cancelled the run is stopped (StopExecution, StopBuild, StopPipelineExecution
// without abandoning what is under way), and so is one that an Undo finds running; when the attempt's time is over, or the service
// stops, it is left alone for the next attempt to find, and the error says where it is.
//
// # S3
//
// The bucket has the layout of package files, below an optional prefix, without the links:
//
//	artifacts/sha256/<64 hex>/<name>     the bytes; written once, never changed; cached for ever
//	versions/<project>/<version>.json    which bytes a version is; written once, never changed
//	channels/<project>/<channel>.json    the channel; not cached
//
// The rules are those of package files too. Instead of its lock each write has a condition: artifacts and versions are written if they are
// not there (If-None-Match: *), a channel if it still is what was read (If-Match with its ETag), and it is removed under that
// condition; who loses reads again and decides again. So a channel is never moved back by a writer that slept. S3 computes the SHA-256 of
// what it stores and refuses other bytes; it is compared with the release's digest before a channel is pointed to them, and bytes
// that somebody stored without one are read. One object is at most 5 GiB.
//
// A peer of one's own (endpoint) must have conditional writes. Some take the conditions and ignore them: before the first channel is moved
// there, a record that is there is written again under the condition that it is not, and the driver refuses to work when that succeeds.
//
// # Rights
//
//	aws-lambda          lambda:InvokeFunction
//	aws-stepfunctions   states:StartExecution, states:DescribeExecution, states:StopExecution
//	aws-codebuild       codebuild:StartBuild, codebuild:BatchGetBuilds, codebuild:ListBuildsForProject, codebuild:StopBuild
//	aws-codepipeline    codepipeline:StartPipelineExecution, :GetPipelineExecution, :ListPipelineExecutions, :StopPipelineExecution
//	aws-s3              s3:GetObject, s3:PutObject, s3:DeleteObject, and s3:ListBucket, without which what is missing is answered with 403
package aws
