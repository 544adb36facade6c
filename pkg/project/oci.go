package project

import "strings"

func (d *decoder) oci(s section) *OCI {
	o := &OCI{
		Image:     s.text("image", checkImage),
		From:      s.text("from", checkBetaTag),
		Tag:       s.text("tag", checkImageTag),
		To:        s.text("to", checkImage),
		Username:  s.text("username", checkUser),
		TokenEnv:  s.text("token_env", checkTokenEnv),
		TokenFile: s.text("token_file", checkPath),
		Insecure:  s.flag("insecure"),
	}
	if s.has("token_env") && s.has("token_file") {
		d.fail(s.at("token_file"), "stands beside token_env: allowed is one of the two")
	}
	if s.has("username") && !s.has("token_env") && !s.has("token_file") {
		d.fail(s.at("username"), "has no password: name that with token_env or token_file")
	}
	return o
}

// inheritOCI gives promote what publish says and it does not. The credentials are taken only together with the registry, as is what
// weakens them.
func (p *Project) inheritOCI() {
	if p.Publish.OCI == nil {
		return
	}
	from := p.Publish.OCI
	setUnset(&from.From, DefaultFrom)
	if p.Promote == nil || p.Promote.OCI == nil {
		return
	}
	to := p.Promote.OCI
	setUnset(&to.Image, from.Image)
	setUnset(&to.From, from.From)
	if !sameHost(from.Image, to.Image) {
		return
	}
	if to.Username == "" && to.TokenEnv == "" && to.TokenFile == "" {
		to.Username, to.TokenEnv, to.TokenFile = from.Username, from.TokenEnv, from.TokenFile
	}
	to.Insecure = to.Insecure || from.Insecure && (to.To == "" || sameHost(to.To, to.Image))
}

// sameHost tells whether two images are on the same registry.
func sameHost(a, b string) bool {
	hostOfA, _, _ := strings.Cut(a, "/")
	hostOfB, _, _ := strings.Cut(b, "/")
	return hostOfA == hostOfB
}

func (d *decoder) agreeOCI(p *Project) {
	var from *OCI
	if p.Publish != nil {
		from = p.Publish.OCI
	}
	if from != nil {
		if from.Image == "" {
			d.fail("publish.oci.image", "is missing: the repository that CI pushes to, such as registry.example/team/app")
		}
		if from.To != "" {
			d.fail("publish.oci.to", "belongs in promote: a beta stays where CI pushed it")
		}
	}
	if p.Promote == nil || p.Promote.OCI == nil || !d.clean("publish") {
		return
	}
	to := p.Promote.OCI
	if to.Image == "" {
		d.fail("promote.oci.image", "is missing: the repository that CI pushes to, such as registry.example/team/app")
	}
	if from == nil {
		return
	}
	if to.Image != from.Image {
		d.fail("promote.oci.image", "must be the image of publish.oci: set it only there; to names another repository")
		return
	}
	if to.From != from.From {
		d.fail("promote.oci.from", "must be how publish.oci tags betas: set it only there")
	}
	if to.Tag == from.Tag && (to.To == "" || to.To == from.Image) {
		d.fail("promote.oci.tag", "%s is the tag of publish.oci too: everybody would get the beta at once", quote(to.Tag))
	}
}
