package releasepb

import (
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	pb "github.com/sluice-gate/sluice/proto/sluice/v1"
)

// Output is what a driver printed during one attempt.
type Output struct {
	Project  string
	Service  string
	Instance string
	Work     release.Work
	Stage    string // that it is about; empty where it is about none
	Attempt  int    // at this work, from 1
	Try      int    // from 1; counts the failures of the release before
	Began    time.Time
	Took     time.Duration
	Ended    string // done, refused, failed, cancelled, interrupted
	Reason   string // why it was not done
	Text     string
	Bytes    int // printed
	Left     int // of those that are not in Text
}

// EncodeOutput is the inverse of DecodeOutput.
func EncodeOutput(o Output) ([]byte, error) {
	return encode(&pb.Output{
		Project: o.Project, Service: o.Service, Instance: o.Instance, Work: string(o.Work), Stage: o.Stage,
		Attempt: int32(min(o.Attempt, 1<<30)), //nolint:gosec // bounded
		Try:     int32(min(o.Try, 1<<30)),     //nolint:gosec // bounded
		Began:   toTime(o.Began), Took: toDuration(o.Took), Ended: o.Ended, Reason: o.Reason, Text: o.Text,
		Bytes: int64(o.Bytes), LeftOut: int64(o.Left),
	})
}

// DecodeOutput reads what a driver printed. Its error wraps ErrMalformed.
func DecodeOutput(data []byte) (Output, error) {
	in := new(pb.Output)
	if err := decode(data, in); err != nil {
		return Output{}, err
	}
	return Output{
		Project: in.GetProject(), Service: in.GetService(), Instance: in.GetInstance(), Work: release.Work(in.GetWork()), Stage: in.GetStage(),
		Attempt: int(in.GetAttempt()), Try: int(in.GetTry()), Began: fromTime(in.GetBegan()), Took: in.GetTook().AsDuration(),
		Ended: in.GetEnded(), Reason: in.GetReason(), Text: in.GetText(), Bytes: int(in.GetBytes()), Left: int(in.GetLeftOut()),
	}, nil
}
