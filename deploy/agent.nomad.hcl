# Agents that work on the queue (docs/runner.md): `cs runner setup` once, then this job, scaled by `count`.
variable "image" {
  type        = string
  description = "Image that carries the cs binary."
}

variable "agents" {
  type    = number
  default = 3
}

variable "network_mode" {
  type        = string
  default     = "host"
  description = "Docker's network mode; `bridge` with a mapped port where NATS can be reached from there."
}

variable "node_pool" {
  type    = string
  default = "default"
}

variable "vault" {
  type        = string
  default     = "on"
  description = "`off` for clusters without Vault."
}

variable "service_provider" {
  type        = string
  default     = "consul"
  description = "`nomad` for clusters without Consul."
}

variable "docker_socket" {
  type        = string
  default     = "/var/run/docker.sock"
  description = "The engine that builds images, on the node. Whoever may use it rules the node. Empty: no builds, and no root."
}

job "cs-agents" {
  type      = "service"
  node_pool = var.node_pool

  group "agents" {
    count = var.agents

    # One after the other, so that there is always somebody who takes tasks.
    update {
      max_parallel = 1
      health_check = "checks"
    }

    network {
      port "health" {}
    }

    service {
      name     = "cs-agents"
      provider = var.service_provider
      port     = "health"

      check {
        type     = "http"
        path     = "/readyz"
        interval = "10s"
        timeout  = "2s"
      }
    }

    task "cs" {
      driver = "docker"

      # The socket belongs to root; without it the image's own user does, who is nobody in particular.
      user = var.docker_socket == "" ? "65532:65532" : "root"

      config {
        image = var.image
        args  = ["runner", "agent", "--concurrency", "8", "--listen", "0.0.0.0:${NOMAD_PORT_health}", "--drain", "2m"]

        network_mode = var.network_mode

        # For deploy-repository; deploy-image and destroy-job-pack need no engine.
        volumes = var.docker_socket == "" ? [] : ["${var.docker_socket}:/var/run/docker.sock"]
      }

      env {
        # The task's own way to Nomad's API; it needs the token that `identity` gives.
        NOMAD_ADDR = "unix://${NOMAD_SECRETS_DIR}/api.sock"
        # Sources are unpacked here.
        TMPDIR              = "${NOMAD_ALLOC_DIR}/tmp"
        CS_VAULT            = var.vault
        CS_SERVICE_PROVIDER = var.service_provider
      }

      # The drain time and a little more. Clients allow 30s by default: raise their max_kill_timeout, or lower both.
      kill_timeout = "135s"

      # Gives the task NOMAD_TOKEN and the API socket; attach an ACL policy with submit-job, read-job, read-logs.
      identity {
        env = true
      }

      template {
        destination = "secrets/cs.env"
        env         = true
        data        = <<EOT
{{ with nomadVar "nomad/jobs/cs-agents" -}}
NATS_SERVERS={{ .NATS_SERVERS | toJSON }}
NATS_CLIENT_PRIVATE_KEY={{ .NATS_CLIENT_PRIVATE_KEY | toJSON }}
NATS_STREAM_PREFIX={{ .NATS_STREAM_PREFIX | toJSON }}
BACKEND_URL={{ .BACKEND_URL | toJSON }}
ACCESS_TOKEN={{ .ACCESS_TOKEN | toJSON }}
{{ with .REGISTRY_USERNAME }}REGISTRY_USERNAME={{ . | toJSON }}{{ end }}
{{ with .REGISTRY_PASSWORD }}REGISTRY_PASSWORD={{ . | toJSON }}{{ end }}
{{- end }}
EOT
      }

      resources {
        cpu    = 200
        memory = 256
      }
    }
  }
}
