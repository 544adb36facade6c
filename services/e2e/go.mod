module github.com/sluice-gate/sluice/services/e2e

go 1.26
