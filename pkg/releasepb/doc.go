// Package releasepb turns what is stored on the streams into bytes and back: journal records, requests, merge events, and
// the small records that are kept by compare-and-set. It is the only importer of the generated code.
//
// The wire format is JSON of the protobuf messages in proto/sluice/v1, so that `nats sub 'sluice.>'` can be read. Fields
// and events of a newer version are kept out of the way: an unknown field is skipped, and a record whose event this
// version does not know decodes to its state with a nil event, which is all that folding needs. Unknown fields of a state
// are handed on to the next record (Record.Unknown), so that in a rolling upgrade an older instance does not drop them.
//
// What was written once is read for ever: testdata has a folder for each version's bytes.
package releasepb
