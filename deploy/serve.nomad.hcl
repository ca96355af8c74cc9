# The CI/CD bridge (docs/bridge.md). Its state is in PostgreSQL, so that it may run anywhere.
#
# Secrets: nomad var put nomad/jobs/cs-serve CS_DATABASE=… CS_API_TOKEN=… CS_WEBHOOK_SECRET=… and, as far as they are used,
# CS_JENKINS_URL CS_JENKINS_USER CS_JENKINS_TOKEN NATS_SERVERS NATS_CLIENT_PRIVATE_KEY NATS_STREAM_PREFIX.
variable "image" {
  type        = string
  description = "Image that carries the cs binary."
}

variable "node_pool" {
  type    = string
  default = "default"
}

variable "service_provider" {
  type        = string
  default     = "consul"
  description = "`nomad` for clusters without Consul."
}

variable "trusted_proxy" {
  type        = string
  default     = ""
  description = "The network of the proxy in front, such as 10.0.0.0/24, which ends TLS and says in X-Forwarded-For who a sender is."
}

job "cs-serve" {
  type      = "service"
  node_pool = var.node_pool

  group "serve" {
    # The new one takes over before the old one goes: two of them share a database without harm.
    update {
      max_parallel = 1
      canary       = 1
      auto_promote = true
      auto_revert  = true
      health_check = "checks"
    }

    network {
      port "http" {
        to = 8080
      }
    }

    service {
      name     = "cs-serve"
      provider = var.service_provider
      port     = "http"

      check {
        type     = "http"
        path     = "/readyz"
        interval = "10s"
        timeout  = "2s"
      }
    }

    task "cs" {
      driver = "docker"
      user   = "65532:65532"

      config {
        image = var.image
        ports = ["http"]
        args = var.trusted_proxy == "" ? ["serve", "--listen", "0.0.0.0:8080"] : [
          "serve", "--listen", "0.0.0.0:8080", "--trusted-proxy", var.trusted_proxy
        ]
      }

      env {
        # The task's own way to Nomad's API, for rollouts; it needs the token that `identity` gives.
        NOMAD_ADDR = "unix://${NOMAD_SECRETS_DIR}/api.sock"
      }

      # Requests under way end within 30 s. Clients allow 30s by default.
      kill_timeout = "30s"

      # Gives the task NOMAD_TOKEN and the API socket; attach an ACL policy with submit-job, read-job, read-logs.
      identity {
        env = true
      }

      template {
        destination = "secrets/cs.env"
        env         = true
        data        = <<EOT
{{ with nomadVar "nomad/jobs/cs-serve" -}}
CS_DATABASE={{ .CS_DATABASE | toJSON }}
CS_API_TOKEN={{ .CS_API_TOKEN | toJSON }}
CS_WEBHOOK_SECRET={{ .CS_WEBHOOK_SECRET | toJSON }}
{{ with .CS_JENKINS_URL }}CS_JENKINS_URL={{ . | toJSON }}{{ end }}
{{ with .CS_JENKINS_USER }}CS_JENKINS_USER={{ . | toJSON }}{{ end }}
{{ with .CS_JENKINS_TOKEN }}CS_JENKINS_TOKEN={{ . | toJSON }}{{ end }}
{{ with .NATS_SERVERS }}NATS_SERVERS={{ . | toJSON }}{{ end }}
{{ with .NATS_CLIENT_PRIVATE_KEY }}NATS_CLIENT_PRIVATE_KEY={{ . | toJSON }}{{ end }}
{{ with .NATS_STREAM_PREFIX }}NATS_STREAM_PREFIX={{ . | toJSON }}{{ end }}
{{- end }}
EOT
      }

      resources {
        cpu    = 200
        memory = 128
      }
    }
  }
}
