module github.com/sluice-gate/sluice/services/watcher

go 1.26
