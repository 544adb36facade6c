package releasepb

import (
	"github.com/sluice-gate/sluice/pkg/lane"
	pb "github.com/sluice-gate/sluice/proto/sluice/v1"
)

// EncodeLane is the inverse of DecodeLane.
func EncodeLane(r lane.Record) ([]byte, error) {
	out := &pb.LaneRecord{Owner: r.Owner, OwnerProject: r.Project, Promoted: r.Promoted}
	for _, w := range r.Waiting {
		out.Waiting = append(out.Waiting, &pb.Waiting{Release: w.Release, Project: w.Project, Order: w.Order, Expedited: w.Expedited})
	}
	return encode(out)
}

// DecodeLane reads a lane record. Its error wraps ErrMalformed.
func DecodeLane(data []byte) (lane.Record, error) {
	in := new(pb.LaneRecord)
	if err := decode(data, in); err != nil {
		return lane.Record{}, err
	}
	r := lane.Record{Owner: in.GetOwner(), Project: in.GetOwnerProject(), Promoted: in.GetPromoted()}
	for _, w := range in.GetWaiting() {
		r.Waiting = append(r.Waiting, lane.Waiting{
			Release: w.GetRelease(), Project: w.GetProject(), Order: w.GetOrder(), Expedited: w.GetExpedited(),
		})
	}
	return r, nil
}
