package releasepb

import (
	"github.com/sluice-gate/sluice/pkg/lane"
	pb "github.com/sluice-gate/sluice/proto/sluice/v1"
)

// EncodeLane is the inverse of DecodeLane.
func EncodeLane(r lane.Record) ([]byte, error) {
	out := &pb.LaneRecord{Owner: r.Owner, OwnerProject: r.Project, GivesWay: r.GivesWay, Promoted: r.Promoted, Left: r.Left}
	for _, w := range r.Waiting {
		out.Waiting = append(out.Waiting, &pb.Waiting{
			Release: w.Release, Project: w.Project, Order: w.Order, Place: w.Place, Expedited: w.Expedited,
		})
	}
	if len(r.Superseded) > 0 {
		out.Superseded = make(map[string]*pb.SupersededRow, len(r.Superseded))
	}
	for project, row := range r.Superseded {
		count := int32(row.Count) //nolint:gosec // at most the project's limit
		out.Superseded[project] = &pb.SupersededRow{Count: count, Since: toTime(row.Since)}
	}
	return encode(out)
}

// DecodeLane reads a lane record. Its error wraps ErrMalformed.
func DecodeLane(data []byte) (lane.Record, error) {
	in := new(pb.LaneRecord)
	if err := decode(data, in); err != nil {
		return lane.Record{}, err
	}
	r := lane.Record{
		Owner: in.GetOwner(), Project: in.GetOwnerProject(), GivesWay: in.GetGivesWay(), Promoted: in.GetPromoted(),
		Left: in.GetLeft(),
	}
	for _, w := range in.GetWaiting() {
		r.Waiting = append(r.Waiting, lane.Waiting{
			Release: w.GetRelease(), Project: w.GetProject(), Order: w.GetOrder(), Place: w.GetPlace(), Expedited: w.GetExpedited(),
		})
	}
	if len(in.GetSuperseded()) > 0 {
		r.Superseded = make(map[string]lane.Row, len(in.GetSuperseded()))
	}
	for project, row := range in.GetSuperseded() {
		r.Superseded[project] = lane.Row{Count: int(row.GetCount()), Since: fromTime(row.GetSince())}
	}
	return r, nil
}
