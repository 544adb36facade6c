module github.com/sluice-gate/sluice/services/stager

go 1.26
