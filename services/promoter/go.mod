module github.com/sluice-gate/sluice/services/promoter

go 1.26
