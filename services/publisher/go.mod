module github.com/sluice-gate/sluice/services/publisher

go 1.26
