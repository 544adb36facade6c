package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// page is what is in the shop's artifact, and what it serves.
type page struct {
	Version string `json:"version"`
	Broken  bool   `json:"broken"`
}

// serve is the shop: it serves the page in a file, or errors if that says so.
func serve(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("serve", flag.ContinueOnError)
	address := set.String("addr", "", "where to listen")
	file := set.String("file", "", "the artifact")
	if err := set.Parse(args); err != nil {
		return err
	}
	data, err := os.ReadFile(*file)
	if err != nil {
		return err
	}
	var p page
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if p.Broken {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = w.Write(data)
	})
	server := &http.Server{Addr: *address, ReadHeaderTimeout: time.Second, Handler: handler}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// deploy is the project's stage command: it stops the shop that runs and starts the one of the artifact. After a cancel the
// artifact is that of the release before, or there is none.
func deploy(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("deploy", flag.ContinueOnError)
	dir := set.String("dir", "", "where the shop lives")
	address := set.String("addr", "", "where it listens")
	if err := set.Parse(args); err != nil {
		return err
	}
	if err := stopShop(ctx, *dir); err != nil {
		return err
	}
	artifact := os.Getenv("SLUICE_ARTIFACT_PATH")
	if artifact == "" {
		return nil
	}
	data, err := os.ReadFile(artifact)
	if err != nil {
		return err
	}
	file := filepath.Join(*dir, "staging.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return err
	}
	me, err := os.Executable()
	if err != nil {
		return err
	}
	shop := exec.Command(me, "serve", "-addr", *address, "-file", file)
	shop.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := shop.Start(); err != nil {
		return err
	}
	if err := os.WriteFile(pidFile(*dir), []byte(strconv.Itoa(shop.Process.Pid)), 0o600); err != nil {
		return errors.Join(err, shop.Process.Kill())
	}
	for {
		got, err := fetchPage(ctx, *address)
		if err == nil {
			fmt.Println("the shop runs", got.Version)
			return nil
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// stopShop stops the shop that deploy started, if it runs.
func stopShop(ctx context.Context, dir string) error {
	text, err := os.ReadFile(pidFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	for syscall.Kill(pid, syscall.SIGKILL) == nil { // until it is gone, and its port is free
		if err := pause(ctx); err != nil {
			return err
		}
	}
	return os.Remove(pidFile(dir))
}

func pidFile(dir string) string { return filepath.Join(dir, "shop.pid") }

// fetchPage asks the shop; a broken one's page is a page too.
func fetchPage(ctx context.Context, address string) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return page{}, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return page{}, err
	}
	defer func() { _ = res.Body.Close() }() // only read
	var p page
	return p, json.NewDecoder(res.Body).Decode(&p)
}
