package config

// presets says what the bodies of a source mean, in expressions that a hook could have as well. Each is tested with the body that the
// vendor documents.
func presets(source Source) map[string]string {
	switch source { //nolint:exhaustive // the others have none
	case Alertmanager:
		return alertmanager(`alert.generatorURL`)
	case Grafana: // the same body, with links to itself: https://grafana.com/docs/grafana/latest/alerting/configure-notifications/
		return alertmanager(`has(alert.panelURL) && alert.panelURL != "" ? alert.panelURL : alert.generatorURL`)
	case Sentry:
		return sentry()
	case Datadog:
		return datadog()
	case PagerDuty:
		return pagerDuty()
	case CloudWatch:
		return cloudWatch()
	case Lumigo:
		return lumigo()
	}
	return map[string]string{"each": "[body]"}
}

// alertmanager is version 4 of its webhook (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config). The alert
// Watchdog, which always fires, is the source's sign of life; it is of every project of the hook.
func alertmanager(url string) map[string]string {
	return map[string]string{
		"each":        `body.alerts`,
		"project":     `"project" in alert.labels ? alert.labels.project : ""`,
		"status":      `alert.status`,
		"fingerprint": `alert.fingerprint`,
		"since":       `alert.startsAt`,
		"labels":      `alert.labels`,
		"heartbeat":   `"alertname" in alert.labels && alert.labels.alertname == "Watchdog"`,
		"name":        `"alertname" in alert.labels ? alert.labels.alertname : ""`,
		"summary": `"summary" in alert.annotations ? alert.annotations.summary
			: "description" in alert.annotations ? alert.annotations.description : ""`,
		"url": url,
	}
}

// sentry is its integration platform: metric alerts, issue alerts and issues
// (https://docs.sentry.io/organization/integrations/integration-platform/webhooks/). An issue alert is resolved with its issue, so let
// it send issues, too.
func sentry() map[string]string {
	const (
		metric = `header["sentry-hook-resource"] == "metric_alert"`
		event  = `header["sentry-hook-resource"] == "event_alert"`
	)
	return map[string]string{
		"when": `header["sentry-hook-resource"] in ["metric_alert", "event_alert", "issue"]`,
		"each": `[body.data]`,
		"status": metric + ` ? (body.action == "resolved" ? "resolved" : "firing")
			: ` + event + ` ? "firing"
			: body.action in ["created", "unresolved"] ? "firing"
			: body.action in ["resolved", "ignored", "archived"] ? "resolved" : ""`,
		"fingerprint": metric + ` ? "metric " + string(alert.metric_alert.alert_rule.id)
			: "issue " + (` + event + ` ? string(alert.event.issue_id) : string(alert.issue.id))`,
		"since": metric + ` ? alert.metric_alert.date_started
			: ` + event + ` ? alert.event.datetime
			: body.action == "created" ? alert.issue.firstSeen : ""`,
		"labels": metric + ` ? dyn({"kind": "metric", "severity": body.action})
			: ` + event + ` ? dyn([alert.event.tags, {"kind": "issue", "level": alert.event.level}])
			: {"kind": "issue", "level": alert.issue.level, "project": alert.issue.project.slug}`,
		"name": metric + ` ? alert.metric_alert.alert_rule.name
			: ` + event + ` ? alert.triggered_rule : alert.issue.title`,
		"summary": metric + ` ? alert.description_title + ": " + alert.description_text
			: ` + event + ` ? alert.event.title : has(alert.issue.culprit) ? alert.issue.culprit : ""`,
		"url": metric + ` ? alert.web_url : ` + event + ` ? alert.event.web_url
			: has(alert.issue.web_url) ? alert.issue.web_url : ""`,
	}
}

// DatadogPayload is what is to be set as the payload of a webhook of Datadog, whose body has no form of its own
// (https://docs.datadoghq.com/integrations/webhooks/).
const DatadogPayload = `{"monitor": "$ALERT_ID", "scope": "$ALERT_SCOPE", "transition": "$ALERT_TRANSITION", "title": "$ALERT_TITLE", ` +
	`"status": "$ALERT_STATUS", "priority": "$ALERT_PRIORITY", "tags": "$TAGS", "date": "$DATE", "link": "$LINK"}`

// datadog is DatadogPayload. $DATE is that of the notification, so it says when the alert began only in the first one; a monitor that has
// no data has not recovered.
func datadog() map[string]string {
	return map[string]string{
		"each":        `[body]`,
		"status":      `alert.transition == "Recovered" ? "resolved" : "firing"`,
		"fingerprint": `string(alert.monitor) + "/" + alert.scope`,
		"since":       `alert.transition == "Triggered" ? string(alert.date) : ""`,
		"labels":      `[alert.tags.split(","), alert.scope.split(","), {"priority": alert.priority}]`,
		"name":        `alert.title`,
		"summary":     `alert.status`,
		"url":         `alert.link`,
	}
}

// pagerDuty is version 3 of its webhooks (https://developer.pagerduty.com/docs/webhooks-overview). An incident of the same key, of the
// same service, is the same alert again.
func pagerDuty() map[string]string {
	return map[string]string{
		"when": `body.event.resource_type == "incident"`,
		"each": `[body.event.data]`,
		"status": `body.event.event_type in ["incident.triggered", "incident.reopened"] ? "firing"
			: body.event.event_type == "incident.resolved" ? "resolved" : ""`,
		"fingerprint": `has(alert.incident_key) && alert.incident_key != null && alert.incident_key != ""
			? alert.service.id + "/" + alert.incident_key : alert.id`,
		"since": `body.event.event_type == "incident.triggered" ? alert.created_at : body.event.occurred_at`,
		"labels": `{"service": alert.service.summary, "urgency": alert.urgency,
			"priority": has(alert.priority) && alert.priority != null ? alert.priority.summary : ""}`,
		"name":    `alert.title`,
		"summary": `alert.title`,
		"url":     `alert.html_url`,
	}
}

// cloudWatch is what an alarm tells a topic of SNS
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html), without what SNS puts around it. An
// alarm that has no data any more has not recovered.
func cloudWatch() map[string]string {
	return map[string]string{
		"when":        `has(body.AlarmName) && has(body.NewStateValue)`,
		"each":        `[body]`,
		"status":      `alert.NewStateValue == "ALARM" ? "firing" : alert.NewStateValue == "OK" ? "resolved" : ""`,
		"fingerprint": `has(alert.AlarmArn) ? alert.AlarmArn : alert.AWSAccountId + " " + alert.Region + " " + alert.AlarmName`,
		"since":       `alert.NewStateValue == "ALARM" ? alert.StateChangeTime : ""`,
		"labels": `[has(alert.Trigger) && has(alert.Trigger.Dimensions) ? alert.Trigger.Dimensions : [],
			has(alert.Trigger) && has(alert.Trigger.Namespace) ? {"namespace": alert.Trigger.Namespace, "metric": alert.Trigger.MetricName} : {},
			{"alarm": alert.AlarmName, "account": alert.AWSAccountId}]`,
		"name":    `alert.AlarmName`,
		"summary": `alert.NewStateReason`,
		"url": `has(alert.AlarmArn) ? "https://console.aws.amazon.com/cloudwatch/home?region=" + alert.AlarmArn.split(":")[3]
			+ "#alarmsV2:alarm/" + alert.AlarmName.replace(" ", "+") : ""`,
	}
}

// lumigo is the webhook of its alerts. Lumigo documents no form of its body; this is the one that Keep, which takes it, describes
// (keep/providers/lumigo_provider of github.com/keephq/keep), so look at the first one that comes. A header of the webhook carries the
// token.
func lumigo() map[string]string {
	return map[string]string{
		"each":        `[body]`,
		"status":      `has(alert.status) && alert.status in ["RESOLVED", "resolved"] ? "resolved" : "firing"`,
		"fingerprint": `string(alert.id)`,
		"since":       `has(alert.timestamp) ? string(alert.timestamp) : ""`,
		"labels": `{"severity": has(alert.severity) ? alert.severity : "", "service": has(alert.service) ? alert.service : "",
			"region": has(alert.region) ? alert.region : ""}`,
		"name":    `alert.name`,
		"summary": `has(alert.description) ? alert.description : ""`,
		"url":     `has(alert.url) ? alert.url : ""`,
	}
}
