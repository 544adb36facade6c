package driver

// Role is which of a release's actions a driver does. It decides the rules of the channel: a publish plans and may move its
// channel to any version, a promote only moves its channel forward.
type Role string

// The roles.
const (
	Publish Role = "publish" // put the beta on its channel
	Deploy  Role = "deploy"  // put the beta on staging
	Promote Role = "promote" // put what soaked on the channel of everybody
)
