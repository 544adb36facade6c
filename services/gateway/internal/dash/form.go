package dash

import (
	"mime"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/auth"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// Form is what a person fills in before something is asked.
type Form struct {
	Verb, Label string
	Title       string // of what it is asked
	Says        string // what will happen
	Action      string // where it is sent
	Back        string
	Token       string
	Danger      bool
	Needs       bool // it needs a reason
	Extend      bool // it asks by how much
	Freeze      bool // it asks for how long
	Force       bool // the person may force it
}

// verbLabel is what a button says.
func verbLabel(v release.Verb) string {
	if v == release.Recall {
		return "Roll back"
	}
	return sentenceCase(string(v))
}

func sentenceCase(text string) string {
	if text == "" {
		return ""
	}
	return string(text[0]-'a'+'A') + text[1:]
}

// means says what stopping a project does, before it is asked.
func means(verb string) string {
	switch verb {
	case topology.StopPause:
		return "Nothing is promoted, not even by force, until somebody unpauses. Releases are published, staged and watched as ever."
	case topology.StopUnpause:
		return "Releases are promoted again."
	case topology.StopFreeze:
		return "Nothing is promoted for a time; only force goes through. A promotion that was claimed before goes on."
	case topology.StopUnfreeze:
		return "Releases are promoted again."
	}
	return ""
}

func (d *Dash) askRelease(w http.ResponseWriter, r *http.Request, p auth.Person) {
	id, verb := r.PathValue("release"), r.PathValue("verb")
	if topology.CheckRelease(id) != nil || !slices.Contains(topology.Verbs(), verb) {
		d.fail(w, r, http.StatusNotFound, "There is no such request.")
		return
	}
	e, err := d.journal.Load(r.Context(), id)
	if err != nil {
		d.broken(w, r, err)
		return
	}
	d.form(w, r, p, Form{
		Verb: verb, Label: verbLabel(release.Verb(verb)), Title: story.Title(e.State), Token: d.guard.FormToken(p),
		Says:   story.Will(release.Verb(verb), e.State, false, d.hub.now()) + ".",
		Action: "/releases/" + id + "/" + verb, Back: "/releases/" + id,
		Danger: verb == topology.VerbCancel || verb == topology.VerbRollback, Extend: verb == topology.VerbExtend,
		Force: verb == topology.VerbExpedite && p.May(config.Admin),
	})
}

func (d *Dash) askProject(w http.ResponseWriter, r *http.Request, p auth.Person) {
	scope, verb := r.PathValue("project"), r.PathValue("verb")
	all := scope == topology.AllProjects
	if !all && topology.CheckProject(scope) != nil || !slices.Contains(topology.Stops(), verb) {
		d.fail(w, r, http.StatusNotFound, "There is no such request.")
		return
	}
	f := Form{
		Verb: verb, Label: sentenceCase(verb), Title: scope, Says: means(verb), Token: d.guard.FormToken(p),
		Action: "/projects/" + scope + "/" + verb, Back: "/projects/" + scope,
		Freeze: verb == topology.StopFreeze, Needs: verb == topology.StopFreeze,
	}
	if all {
		f.Title, f.Back = "all projects", "/"
	}
	d.form(w, r, p, f)
}

// form answers with a form: for our script by itself, else as a page.
func (d *Dash) form(w http.ResponseWriter, r *http.Request, p auth.Person, f Form) {
	if isPart(r) {
		d.write(w, r, http.StatusOK, "form", f)
		return
	}
	d.show(w, r, p, "ask", Page{Title: f.Label + " " + f.Title, Data: f})
}

func (d *Dash) postRelease(w http.ResponseWriter, r *http.Request, p auth.Person) {
	id := r.PathValue("release")
	if topology.CheckRelease(id) != nil {
		d.fail(w, r, http.StatusNotFound, "There is no such release.")
		return
	}
	d.post(w, r, p, "/releases/"+id, func(wish Wish) (Answer, error) { return d.ask(r.Context(), p, id, wish) })
}

func (d *Dash) postProject(w http.ResponseWriter, r *http.Request, p auth.Person) {
	scope := r.PathValue("project")
	back := "/projects/" + scope
	if scope == topology.AllProjects {
		back = "/"
	}
	d.post(w, r, p, back, func(wish Wish) (Answer, error) { return d.stop(r.Context(), p, scope, wish) })
}

// post takes a form, and answers with what became of it.
func (d *Dash) post(w http.ResponseWriter, r *http.Request, p auth.Person, back string, do func(Wish) (Answer, error)) {
	if err := r.ParseForm(); err != nil {
		d.fail(w, r, http.StatusBadRequest, "The form did not come whole.")
		return
	}
	// A program needs no token where nobody is asked who they are, and so it has to send what the API wants. A webhook of a project file
	// that has an address of this machine sends JSON, too.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind == "application/json" {
		d.fail(w, r, http.StatusUnsupportedMediaType, "This is a form: programs ask at /api/v1.")
		return
	}
	if !d.guard.Meant(p, r, r.PostForm.Get("token")) {
		d.fail(w, r, http.StatusForbidden, "This form is not from your session: nothing was done. Load the page again.")
		return
	}
	a, err := do(Wish{
		Verb: r.PathValue("verb"), Reason: r.PostForm.Get("reason"), By: r.PostForm.Get("by"), For: r.PostForm.Get("for"),
		Force: r.PostForm.Get("force") != "",
	})
	if err != nil {
		code, text := status(err)
		if code == http.StatusServiceUnavailable {
			d.log.Warn("dashboard: a request is not acknowledged", zap.Error(err))
		}
		d.fail(w, r, code, text)
		return
	}
	data := dict("Answer", a, "Back", back)
	if isPart(r) {
		d.write(w, r, a.code(), "answer", data)
		return
	}
	d.write(w, r, a.code(), "answered", Page{
		Title: "Asked", Person: p, Acts: true, Open: d.guard.Open(), Now: d.hub.now().UnixMilli(), Data: data,
	})
}

// Login is what the page shows to somebody who is not let in yet.
type Login struct {
	Token, OIDC bool
	Next, Wrong string
}

func (d *Dash) loginPage(w http.ResponseWriter, r *http.Request) {
	d.askWho(w, r, http.StatusOK, auth.Local(r.URL.Query().Get("next")), "")
}

func (d *Dash) askWho(w http.ResponseWriter, r *http.Request, code int, next, wrong string) {
	token, oidc := d.guard.Ways()
	d.write(w, r, code, "login", Page{Title: "Who are you?", Now: d.hub.now().UnixMilli(), Data: Login{token, oidc, next, wrong}})
}

func (d *Dash) login(w http.ResponseWriter, r *http.Request) {
	next := auth.Local(r.PostFormValue("next"))
	p, ok := d.guard.Login(w, r.PostFormValue("token"))
	if !ok {
		d.log.Warn("dashboard: a token that is nobody's", zap.String("from", r.RemoteAddr))
		d.askWho(w, r, http.StatusUnauthorized, next, "That is nobody's token.")
		return
	}
	d.log.Info("dashboard: logged in", zap.String("actor", p.Name), zap.String("role", string(p.Role)))
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (d *Dash) logout(w http.ResponseWriter, r *http.Request) {
	d.guard.Logout(w)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

func (d *Dash) signIn(w http.ResponseWriter, r *http.Request) {
	if err := d.guard.SignIn(w, r, r.URL.Query().Get("next")); err != nil {
		d.log.Warn("dashboard: nobody can sign in", zap.Error(err))
		d.askWho(w, r, http.StatusBadGateway, "/", "The provider does not answer: try again.")
	}
}

func (d *Dash) signedIn(w http.ResponseWriter, r *http.Request) {
	next, err := d.guard.Returned(w, r)
	if err != nil {
		d.log.Warn("dashboard: not signed in", zap.Error(err))
		d.askWho(w, r, http.StatusForbidden, "/", sentence(err.Error()))
		return
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}
