"""Words that errors of model APIs are written with: they may stand in a log although a prompt has them, too."""

from typing import Final

_WORDS = """
a able about above accept accepted access accessed account accounts action active actual add added additional after
again against all allow allowed allows already also always an and another answer answered any api apikey apply
argument arguments array as ask assistant at attempt attempts attribute audio auth authenticate authentication
authorization authorized available away bad balance base64 be because been before began begin begins being below
between beyond billing blocked body boolean both budget but by bytes cache call called calls can cannot cause change
changed character characters chat check chunk chunks circuit client close closed code codes come common complete
completed completion completions configuration configured conflict connect connected connecting connection
connections contact contain contained contains content context continue conversation could count create created
credentials credit credits currently data deadline decode default delta denied deployment deprecated disabled
disconnect does doing done due during each early either else embedding embeddings empty enable enabled encountered
encoding end ended endpoint ends engine enough entity entries entry error errors event events exceed exceeded
exceeds exception exist existing exists expected expired external extra failed failing failure fault few field
fields file files filter finish finished first float follow followed following for forbidden format found from full
function functions gateway generate generated generation get give given go got had handle has have header headers
held here high higher host hour how http https id identifier if image images in inactive include included incomplete
incorrect increase index inference information initial input inputs insufficient integer interaction internal
invalid is issue it item items its json key keys known large last later latest least left length less limit limited
limits line list load loaded location long longer lost low lower made maintenance make malformed many match maximum
may media memory message messages method mime minimum minute minutes missing mode model models moderation more most
must name named names near need network never new next no none not nothing null number object occurred of off on
once one only open operation option or order organization other our out output over overloaded own parameter
parameters parse parsed part parts password path pending per permission permissions permitted plan platform please
policy port position possible prefix present previous problem process processed processing project prompt property
provide provided provider quota range rate reach reached read reason reasoning received record refuse refused region
reject rejected remove rename replica request requested requests require required requires reset resource resources
response responses result results retries retry return returned role run safety same schema second seconds secret
see send sent sequence server service session set setting settings should since size small some soon source specific
specified specify start started state status still stop stopped stored stream streaming string structure
subscription such support supported supports switch syntax system take taken target team temporarily temporary text
than that the their them then there these they this thread time timed timeout timeouts times to today token tokens
too took tool tools total transport true try trying turn type types unable unauthenticated unauthorized unavailable
under unexpected unique unknown unprocessable unrecognized unsupported until up upgrade upload upstream url usage
use used user uses using valid validation value values version video wait was way we were what when where whether
which while who why will with within without word words would write wrong yet you your zero additionalproperties
api_key cached_tokens content_filter content_policy_violation context_length_exceeded effort false frequency_penalty
function_call generatecontent generationconfig image_url input_schema input_text insufficient_quota internal_error
internal_server_error invalid_api_key invalid_argument invalid_prompt invalid_request invalid_request_error
logit_bias logprobs max_completion_tokens max_output_tokens max_tokens maxoutputtokens model_not_found
not_found_error overloaded_error parallel_tool_calls presence_penalty previous_response_id rate_limit_error
rate_limit_exceeded reasoning_effort resource_exhausted response_format server_error service_tier stop_sequences
stream_options system_instruction temperature thinking tool_call_id tool_calls tool_choice tool_result tool_use
tool_use_id toolconfig top_k top_logprobs top_p unsupported_parameter unsupported_value doesn't don't isn't can't
didn't you've it's i.e e.g non-empty
addresses allocate although anthropic are azure bad bring chatcompletions_create claude com cuda current demand
deploymentnotfound dimensions do documentation durations encoded equal flash gemini generate_content_free_tier_requests
gib gpt haiku help hold however invocation isn learn like llama log max metric min mini mistral nano openai opus pattern
pixels place plans pricing pro resulted shape sonnet submit supplied those though throttlingexception throughput tier
tpm rpm tried turbo v1beta validationexception visit vllm exhausted reduce increase limits ask sales console dashboard
payment paid free overdue suspended verify verified verification eligible join waitlist cooldown bandwidth traffic spike
heavy slow hardware gpu worker node shard upstream proxy dns tls ssl certificate handshake socket refused broken pipe
eof
za null none undefined nan infinity negative positive equals least most between must cannot unsupported malformed
unparsable
"""
VOCABULARY: Final = frozenset(_WORDS.split())
