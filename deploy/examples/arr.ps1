# arr.ps1 VERB FARM SERVER [gracefully|new] - the side of `arr` that runs on the machine with ARR.
#
# Sources: the four states and what they mean, "Rotate Servers in a Server Farm" (Microsoft TechNet,
# ee683926); changing them by the dynamic method SetState of a server's applicationRequestRouting
# element, and requests in hand in its counters, "Using ARR config extensibility to gracefully stop
# server" (blogs.iis.net, anilr), and %windir%\system32\inetsrv\config\schema\arr_schema.xml, which
# lists methods, counters and the numbers of SetState (0 available, 1 drain = disallow new
# connections, 2 unavailable, 3 unavailable gracefully). Compare with the schema of your ARR.
# NOT tested against a real ARR by those who wrote it.
param([string]$Verb, [string]$Farm, [string]$Server, [string]$Drain = 'gracefully')
$ErrorActionPreference = 'Stop'

try {
    Add-Type -Path "$env:windir\system32\inetsrv\Microsoft.Web.Administration.dll"
    $manager = New-Object Microsoft.Web.Administration.ServerManager
    $section = $manager.GetApplicationHostConfiguration().GetSection('webFarms')
    $farmElement = $section.GetCollection() | Where-Object { $_['name'] -eq $Farm }
    if (-not $farmElement) { Write-Output "there is no server farm $Farm"; exit 3 }
    $servers = @($farmElement.GetCollection() | Where-Object { $_.ElementTagName -eq 'server' })
    $mine = $servers | Where-Object { $_['address'] -eq $Server }
    if (-not $mine) { Write-Output "there is no server $Server in farm $Farm"; exit 3 }

    function Get-Routing($element) { $element.GetChildElement('applicationRequestRouting') }
    function Get-Counter($element, $name) {
        (Get-Routing $element).GetChildElement('counters').GetAttributeValue($name)
    }

    if ($Verb -eq 'state') {
        # state: 0 available, 1 drain, 2 and 3 unavailable. What a person made unavailable at once
        # and what we made so gracefully look alike once no request is left: both are "drain" here,
        # and a run leaves alone what was so before it came.
        $state = [int](Get-Counter $mine 'state')
        $admin = if ($state -eq 0) { 'ready' } else { 'drain' }
        $up = if (Get-Counter $mine 'isHealthy') { 'yes' } else { 'no' }
        $sessions = [int](Get-Counter $mine 'currentRequests')
        $others = @($servers | Where-Object {
            $_['address'] -ne $Server -and $_['enabled'] -and
            [int](Get-Counter $_ 'state') -eq 0 -and (Get-Counter $_ 'isHealthy')
        }).Count
        Write-Output "admin=$admin up=$up sessions=$sessions others=$others"
        exit 0
    }
    $number = if ($Verb -eq 'ready') { 0 } elseif ($Drain -eq 'new') { 1 } else { 3 }
    $call = (Get-Routing $mine).Methods['SetState'].CreateInstance()
    $call.Input.Attributes[0].Value = $number
    $call.Execute()
    exit 0
} catch [System.UnauthorizedAccessException] {
    Write-Output 'not allowed: this user has to be an administrator'
    exit 5
} catch {
    Write-Output $_.Exception.Message
    exit 1
}
