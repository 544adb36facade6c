package project

import (
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// stages reads the stages, or the only one of a file that does not list them. It is empty only when the list is wrong.
func (d *decoder) stages(s section, delay time.Duration) []Stage {
	approvals := s.number("approvals", 0, 0, maxApprovals)
	if !s.has("stages") {
		return []Stage{d.onlyStage(s, delay, approvals)}
	}
	if s.has("stage") {
		d.fail(s.at("stage"), "stands beside stages: allowed is one of the two")
	}
	if s.has("watch") {
		d.fail(s.at("watch"), "stands beside stages: move the checks to the stages that they are for")
	}
	var stages []Stage
	names := map[string]string{}
	items := s.list("stages", maxStages)
	for i, item := range items {
		stages = append(stages, d.oneStage(names, index("stages", i), item, delay))
	}
	if len(items) == 0 {
		if d.clean("stages") {
			d.fail("stages", "must not be empty: without stages there is one, named %s", OnlyStage)
		}
		return nil
	}
	if s.has("approvals") {
		last := index("stages", len(items)-1) + ".approvals"
		if _, both := d.at[last]; both {
			d.fail(s.at("approvals"), "stands beside %s, which says the same: allowed is one of the two", last)
		}
		stages[len(stages)-1].Approvals = approvals
	}
	return stages
}

// onlyStage is what stage, watch and approvals say in a file without stages.
func (d *decoder) onlyStage(s section, delay time.Duration, approvals int) Stage {
	stage := Stage{Name: OnlyStage, Delay: delay, Watch: d.watch(s), Approvals: approvals}
	if !s.has("stage") {
		return stage
	}
	block, ok := s.child("stage", ofStage)
	if !ok {
		return stage
	}
	block.exactlyOne(deployers()...)
	action := d.driver(block)
	stage.Action, stage.OnCancel = &action, OnCancel(block.text("on_cancel", oneOf(Restore, Leave)))
	return stage
}

// oneStage reads an item of the list of stages. One that can not be read is empty.
func (d *decoder) oneStage(names map[string]string, path string, item ast.Node, delay time.Duration) Stage {
	s, ok := d.section(path, item, ofStages)
	if !ok {
		return Stage{}
	}
	s.require("name", "every stage has one, such as staging")
	stage := Stage{
		Name:      s.text("name", Safe),
		Action:    d.stageAction(s),
		OnCancel:  OnCancel(s.text("on_cancel", oneOf(Restore, Leave))),
		Delay:     s.duration("delay", delay, ParseDelay),
		Watch:     d.watch(s),
		Approvals: s.number("approvals", 0, 0, maxApprovals),
	}
	d.unique(names, stage.Name, s.at("name"), path)
	return stage
}

// stageAction reads a stage's driver, if it has one. Its timeout may stand beside the driver or among its settings.
func (d *decoder) stageAction(s section) *Action {
	if !slices.ContainsFunc(deployers(), s.has) {
		if s.has("timeout") {
			d.fail(s.at("timeout"), "has no meaning without a driver such as exec: remove it")
		}
		return nil
	}
	s.exactlyOne(deployers()...)
	a := d.driver(s)
	if !s.has("timeout") {
		return &a
	}
	for _, driver := range deployers() {
		if _, both := d.at[s.at(driver)+".timeout"]; both {
			d.fail(s.at("timeout"), "stands beside %s.timeout: allowed is one of the two", driver)
		}
	}
	a.Timeout = s.duration("timeout", DefaultActionTimeout, between(minActionTimeout, maxActionTimeout))
	return &a
}

// stagePaths is where the parts of a stage stand in the file: its action, its checks and its delay.
type stagePaths struct{ stage, watch, delay string }

func (d *decoder) stageAt(i int) stagePaths {
	if _, listed := d.at["stages"]; !listed {
		return stagePaths{"stage", "watch", "soak.delay"}
	}
	path := index("stages", i)
	at := stagePaths{path, path + ".watch", path + ".delay"}
	if _, own := d.at[at.delay]; !own {
		at.delay = "soak.delay"
	}
	return at
}
