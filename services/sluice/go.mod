module github.com/sluice-gate/sluice/services/sluice

go 1.26
