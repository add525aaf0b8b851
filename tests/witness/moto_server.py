"""moto's server, with those places mended in which it is known not to be AWS.

  moto_server.py PORT

moto is a witness because somebody else wrote it, so as little as possible is changed: only what stops a test for a
reason that is moto's alone. Every mend says what AWS does and what moto does instead.
"""
import json
import sys

from moto.core.responses import ActionResult
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.models.nat_gateways import NatGateway, NatGatewayBackend
from moto.ec2.models.security_groups import SecurityGroupBackend
from moto.ec2.models.vpcs import VPCEndPoint
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.responses.vpcs import VPCs
from moto.elbv2.exceptions import DuplicateListenerError
from moto.elbv2.models import ELBv2Backend
from moto.iam.access_control import PermissionResult
from moto.kms.responses import KmsResponse
from moto.logs.responses import LogsResponse
from moto.rds.exceptions import DBClusterNotFoundError
from moto.rds.models import RDSBackend
from moto.rds.responses import RDSResponse
from moto.s3.models import FakeBucket
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple


class Mended:
    """Answers that no client which follows AWS's models can read."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        head = []
        body = b"".join(self.app(environ, lambda status, headers, _=None: head.append((status, headers))))
        status, headers = head[0]
        # AWS's model calls the root VersioningConfiguration; moto writes the operation's name.
        if environ["REQUEST_METHOD"] == "GET" and environ.get("QUERY_STRING", "").startswith("versioning"):
            body = body.replace(b"GetBucketVersioningResponse", b"VersioningConfiguration")
        # What moto lacks is a 500 with a page of HTML. Clients repeat a 500 for minutes; a test should end at once.
        if status.startswith("500"):
            status = "400 Bad Request"
        headers = [(k, v) for k, v in headers if k.lower() != "content-length"]
        start_response(status, headers + [("Content-Length", str(len(body)))])
        return [body]


# S3: tests come over plain HTTP, which the policy of the record's bucket forbids, as it should. The policy is kept and
# read back; it is not enforced.
FakeBucket.get_permission = lambda *_: PermissionResult.NEUTRAL


# EC2: DescribeVpcEndpoints takes the filters vpc-endpoint-id, vpc-id and service-name; moto has none of them.
def endpoint_filter(self, name, method=None, known=VPCEndPoint.get_filter_value):
    fields = {"vpc-endpoint-id": self.id, "vpc-id": self.vpc_id, "service-name": self.service_name}
    return fields[name] if name in fields else known(self, name, method)


VPCEndPoint.get_filter_value = endpoint_filter


# EC2: the network interfaces of NAT gateways and of VPC endpoints are the service's, and say so; moto's look as if
# somebody had made them and left them lying.
def nat_made(self, *args, known=NatGateway.__init__, **more):
    known(self, *args, **more)
    self._eni.requester_managed = True
    self._eni.interface_type = "nat_gateway"
    self._eni.description = f"Interface for NAT Gateway {self.id}"


def endpoint_made(self, *args, known=VPCEndPoint.__init__, **more):
    known(self, *args, **more)
    for interface in self.network_interface_ids:
        interface = self.ec2_backend.get_network_interface(interface)
        interface.requester_managed = True
        interface.interface_type = "vpc_endpoint"
        interface.description = f"VPC Endpoint Interface {self.id}"


# And the interface of a NAT gateway goes with it; moto's stays.
def nat_deleted(self, nat_gateway_id, known=NatGatewayBackend.delete_nat_gateway):
    gateway = known(self, nat_gateway_id)
    self.enis.pop(gateway._eni.id, None)
    return gateway


NatGateway.__init__ = nat_made
NatGatewayBackend.delete_nat_gateway = nat_deleted
VPCEndPoint.__init__ = endpoint_made


# EC2: ModifyVpcEndpoint sets PrivateDnsEnabled; moto leaves it as it is.
def modify_endpoint(self, known=VPCs.modify_vpc_endpoint):
    answer = known(self)
    wanted = self._get_param("PrivateDnsEnabled")
    if wanted is not None:
        endpoint = self.ec2_backend.describe_vpc_endpoints([self._get_param("VpcEndpointId")])[0]
        endpoint.private_dns_enabled = str(wanted).lower() == "true"
    return answer


VPCs.modify_vpc_endpoint = modify_endpoint


# EC2: ModifySecurityGroupRules sets ReferencedGroupId; moto leaves it as it is.
def modify_rules(self, group_id, rules, known=SecurityGroupBackend.modify_security_group_rules):
    known(self, group_id, rules)
    group = self.get_security_group_by_name_or_id(group_id)
    for rule_id, new in rules.items():
        if new.get("ReferencedGroupId"):
            group.get_rule(rule_id).source_group["GroupId"] = new["ReferencedGroupId"]


SecurityGroupBackend.modify_security_group_rules = modify_rules


# EC2: a launch template's own tags are no part of what it launches; moto writes them into its first version.
def first_version(self, data, description, known=LaunchTemplate.create_version):
    tags = data.get("TagSpecifications", [])
    data["TagSpecifications"] = [each for each in tags if each.get("ResourceType") != "launch-template"]
    return known(self, data, description)


LaunchTemplate.create_version = first_version


# EC2: a launch template shows the tags that it has; moto shows those that it was made with.
LaunchTemplate.tags = property(lambda self: self.get_tags(), lambda self, _: None)


# EC2: a version with a SourceVersion begins with what that one says; moto begins with nothing.
def next_version(self, known=LaunchTemplates.create_launch_template_version):
    source = self._get_param("SourceVersion")
    if source:
        template = self.ec2_backend.get_launch_template(self._get_param("LaunchTemplateId"))
        get = self._get_param
        said = {**template.get_version(source).data, **get("LaunchTemplateData", {})}
        self._get_param = lambda name, *rest: said if name == "LaunchTemplateData" else get(name, *rest)
    return known(self)


LaunchTemplates.create_launch_template_version = next_version


# KMS: EnableKeyRotation takes RotationPeriodInDays, 365 unless said, and GetKeyRotationStatus tells it; moto does neither.
def enable_rotation(self, known=KmsResponse.enable_key_rotation):
    answer = known(self)
    key = self.kms_backend.keys[self.kms_backend.get_key_id(self._get_param("KeyId"))]
    key.rotation_period = self._get_param("RotationPeriodInDays") or 365
    return answer


def rotation_status(self, known=KmsResponse.get_key_rotation_status):
    answer = json.loads(known(self))
    key = self.kms_backend.keys[self.kms_backend.get_key_id(self._get_param("KeyId"))]
    if answer["KeyRotationEnabled"]:
        answer["RotationPeriodInDays"] = key.rotation_period
    return json.dumps(answer)


KmsResponse.enable_key_rotation = enable_rotation
KmsResponse.get_key_rotation_status = rotation_status


# KMS: PutKeyPolicy's PolicyName may be left out and is "default" then; moto refuses that.
def put_policy(self, known=KmsResponse.put_key_policy):
    get = self._get_param
    self._get_param = lambda name, *rest: get(name, *rest) or ("default" if name == "PolicyName" else None)
    return known(self)


KmsResponse.put_key_policy = put_policy


# Logs: moto does not know AssociateKmsKey and DisassociateKmsKey, but keeps a group's key.
def set_key(self):
    group = self.logs_backend.groups[self._get_param("logGroupName")]
    group.kms_key_id = self._get_param("kmsKeyId")
    return ""


LogsResponse.associate_kms_key = set_key
LogsResponse.disassociate_kms_key = set_key


# RDS: ModifyDBSubnetGroup keeps the group; moto takes it out of its list and forgets it.
def modify_subnet_group(self, name, description, subnets, known=RDSBackend.modify_db_subnet_group):
    group = known(self, name, description, subnets)
    self.subnet_groups[name] = group
    return group


RDSBackend.modify_db_subnet_group = modify_subnet_group


# RDS: moto does not know ResetDBClusterParameterGroup; what is reset has the engine's value again.
def reset_parameters(self):
    name = self.params["DBClusterParameterGroupName"]
    group = self.backend.describe_db_cluster_parameter_groups(group_name=name)[0]
    for parameter in self.params.get("Parameters", []):
        group.parameters.pop(parameter.original_dict()["ParameterName"], None)
    return ActionResult({"DBClusterParameterGroupName": name})


RDSResponse.reset_db_cluster_parameter_group = reset_parameters


# RDS: ModifyDBCluster turns IAM authentication on and off, and says when there is no such cluster; moto keeps what the
# cluster was made with, and fails with an error of Python's.
def modify_cluster(self, kwargs, known=RDSBackend.modify_db_cluster):
    cluster, wanted = kwargs["db_cluster_identifier"], kwargs.get("enable_iam_database_authentication")
    if cluster not in self.clusters:
        raise DBClusterNotFoundError(cluster)
    answer = known(self, kwargs)
    if wanted is not None:
        self.clusters[cluster].iam_auth = wanted
    return answer


RDSBackend.modify_db_cluster = modify_cluster


# ELB: CreateListener refuses a second listener of one port; moto looks for the port among ARNs.
def create_listener(self, load_balancer_arn, protocol, port, *rest, known=ELBv2Backend.create_listener, **more):
    balancer = self.load_balancers.get(load_balancer_arn)
    if balancer and any(str(there.port) == str(port) for there in balancer.listeners.values()):
        raise DuplicateListenerError()
    return known(self, load_balancer_arn, protocol, port, *rest, **more)


ELBv2Backend.create_listener = create_listener


# ELB: ModifyListener takes TLS and its certificates; moto knows HTTPS only.
def modify_listener(self, arn, port=None, protocol=None, ssl_policy=None, certificates=None, actions=None,
                    known=ELBv2Backend.modify_listener):
    listener = self.describe_listeners(load_balancer_arn=None, listener_arns=[arn])[0]
    secure = "TLS" in (protocol, listener.protocol)
    if secure:
        listener.protocol = "HTTPS"
    known(self, arn, port, "HTTPS" if secure else protocol, ssl_policy, certificates or [], actions)
    if secure:
        listener.protocol = "TLS"
    return listener


ELBv2Backend.modify_listener = modify_listener


run_simple("127.0.0.1", int(sys.argv[1]), Mended(DomainDispatcherApplication(create_backend_app)), threaded=True)
